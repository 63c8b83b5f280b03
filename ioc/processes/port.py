"""The port that the centre listens on, seen from outside: is it free, and is the centre behind it ready?"""

import http.client
import json
import socket

from ioc.errors import PortInUse, SettingsError

TIMEOUT_S = 2.0


def check_port(host: str, port: int) -> None:
    """PortInUse if nobody could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except socket.gaierror:
            raise SettingsError(f"IOC_HOST={host} is no address of this machine.") from None
        except PermissionError:
            raise PortInUse(f"Port {port} needs more rights than this user has: choose IOC_PORT above 1023.") from None
        except OSError as error:
            raise PortInUse(
                f"Port {port} on {host} cannot be used ({error.strerror}): stop the program that uses it,"
                " or choose another with IOC_PORT."
            ) from None


def answers(host: str, port: int) -> bool:
    """True if a centre is alive there."""
    try:
        return _get(host, port, "/healthz")[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def why_not_ready(host: str, port: int) -> str | None:
    """None if `/readyz` says that the centre is ready, else a few words why not."""
    try:
        status, body = _get(host, port, "/readyz")
    except (OSError, http.client.HTTPException):
        return "web does not answer yet"
    if status == 200:
        return None
    try:
        return json.dumps(json.loads(body), ensure_ascii=False)
    except ValueError:
        return f"/readyz answers {status}"


def url_on_this_machine(host: str, port: int) -> str:
    """Where programs on this machine reach the centre."""
    reachable = _reachable(host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"


def _reachable(host: str) -> str:
    """A program that listens on all addresses is reached on this machine's own."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - compared, not bound


def _get(host: str, port: int, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=TIMEOUT_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read(2000).decode("utf-8", errors="replace")
    finally:
        connection.close()
