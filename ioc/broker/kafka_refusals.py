"""Why no connection to Kafka comes about: kafka-python tries until its time is over and then says only that it did.

So where it fails, one connection of our own looks how far it gets: to the port, through TLS, to a certificate that is
good. What is found names the setting to look at. Refused: anything but looking; no user and no password is sent.
"""

import socket
import ssl
from typing import Final

LOOK_S: Final = 2.0
"""For one server; where one can be reached, no other is looked at."""

_NO_CERTIFICATE_OF_THAT_HOST: Final = (62, 64)  # X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH
_NOT_OF_THIS_TIME: Final = (9, 10)  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED


def why_not(servers: tuple[str, ...], security_protocol: str, ca_file: str) -> str | None:
    """What is wrong with the first server that can be reached, and which setting says so; None: nothing is seen."""
    for server in servers:
        host, _, port = server.rpartition(":")
        try:
            connection = socket.create_connection((host, int(port)), timeout=LOOK_S)
        except OSError:
            continue
        with connection:
            if security_protocol.endswith("SSL"):
                return _in_tls(connection, server, host, security_protocol, ca_file)
            return _in_the_clear(connection, server, security_protocol)
    return None


def _in_tls(connection: socket.socket, server: str, host: str, security_protocol: str, ca_file: str) -> str | None:
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # of which SSLError is one
        why = (
            "holds no certificate in PEM form"
            if isinstance(error, ssl.SSLError)
            else f"cannot be read: {error.strerror}"
        )
        return f"IOC_KAFKA_CA_FILE={ca_file} {why}"
    try:
        context.wrap_socket(connection, server_hostname=host).close()
        return (
            f"{server} speaks TLS with a good certificate, but answers no request: it may be starting or busy; else"
            " check IOC_KAFKA_USERNAME, IOC_KAFKA_PASSWORD, IOC_KAFKA_SASL_MECHANISM and"
            f" IOC_KAFKA_SECURITY_PROTOCOL={security_protocol}"
        )
    except ssl.SSLCertVerificationError as error:
        return _of_the_certificate(error, server, host, ca_file)
    except TimeoutError:
        return None
    except OSError:
        return (
            f"{server} speaks no TLS, or none that this centre knows, but IOC_KAFKA_SECURITY_PROTOCOL is"
            f" {security_protocol}: set that to what Kafka's listener has, or IOC_BROKER to its listener with TLS"
        )


def _of_the_certificate(error: ssl.SSLCertVerificationError, server: str, host: str, ca_file: str) -> str:
    if error.verify_code in _NO_CERTIFICATE_OF_THAT_HOST:
        return f"the certificate of {server} is not for {host}: set IOC_BROKER to a name that the certificate has"
    if error.verify_code in _NOT_OF_THIS_TIME:
        return f"the certificate of {server} is not valid now ({error.verify_message}): renew it, or set the clock"
    if ca_file:
        return (
            f"the certificate of {server} is not signed by whom IOC_KAFKA_CA_FILE={ca_file} names"
            f" ({error.verify_message}): set it to the certificate of who signs Kafka's"
        )
    return (
        f"the certificate of {server} is not signed by anybody whom this machine trusts ({error.verify_message}):"
        " set IOC_KAFKA_CA_FILE to the certificate of who signs Kafka's"
    )


def _in_the_clear(connection: socket.socket, server: str, security_protocol: str) -> str | None:
    """Whether who is asked in the clear speaks TLS; its certificate is not looked at, as nothing is sent."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        context.wrap_socket(connection).close()
    except OSError:
        return None
    return f"{server} speaks TLS, but IOC_KAFKA_SECURITY_PROTOCOL is {security_protocol}: set that to SASL_SSL or SSL"
