# One image for every program of the centre: the command says which (docker-compose.yml; docs/deployment.md).
# The first stage installs the pinned requirements; the second one has neither compilers nor what built them.

FROM python:3.11.15-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements.txt ./
# Only wheels: nothing is compiled, so nothing is needed to compile it, and no build script runs.
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --require-hashes --only-binary=:all: -r requirements.txt

FROM python:3.11.15-slim-bookworm
# pg_dump and pg_restore, for `python -m ioc backup`: of the same major version as the server in docker-compose.yml.
# Debian drops a patch version from its mirrors as soon as it has the next one: pinned, the build would soon fail.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client-15 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin ioc \
    && install --directory --owner=ioc --group=ioc --mode=0700 /data /backups
COPY --from=build /venv /venv
WORKDIR /app
COPY provinces ./provinces
COPY ioc ./ioc
COPY simulators ./simulators
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 IOC_DATA=/data
# Now, because the user of the programs cannot write here: every start would else compile all of it again.
RUN python -m compileall -q ioc simulators
USER 10001:10001
EXPOSE 8050
HEALTHCHECK --interval=60s --timeout=30s --start-period=60s --retries=3 CMD ["python", "-m", "ioc", "check"]
CMD ["python", "-m", "ioc", "run"]
