# syntax=docker/dockerfile:1
# One image for the gateway and its workers: `serve` (without a command), `worker analyzer`, `worker processor`. It
# carries pyexiv2, which is under the GPLv3: who hands the image on does so under the GPLv3.
#
#     docker build -t batch-gateway:0.1.0 .
#     docker build -t batch-gateway:0.1.0 --build-arg PLACE=1 .    # names places, and is 180 MB larger
#     docker run --rm -p 127.0.0.1:8080:8080 -v gateway-data:/data batch-gateway:0.1.0
#
# deploy/ has it beside RabbitMQ and MinIO, and in Kubernetes. tests/integration/test_dockerfile.py runs its steps.

FROM python:3.13-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements requirements
ARG PLACE
RUN python -m venv --without-pip /opt/gateway \
    && pip --python /opt/gateway/bin/python install --require-hashes --only-binary :all: -r requirements/run.txt \
        ${PLACE:+-r requirements/place.txt} \
    && pip install --require-hashes -r requirements/build.txt
COPY LICENSE README.md pyproject.toml setup.cfg ./
COPY gateway gateway
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/gateway/bin/python install --no-deps /wheels/*.whl

FROM python:3.13-slim
# The base image's own pip has no use here.
RUN python -m pip uninstall --quiet --yes --root-user-action ignore pip \
    && rm -rf /usr/local/lib/python3.*/ensurepip
RUN groupadd --gid 10001 gateway \
    && useradd --uid 10001 --gid gateway --no-create-home --home-dir /data --shell /usr/sbin/nologin gateway \
    && install --directory --owner gateway --group gateway --mode 0750 /data
COPY --from=build /opt/gateway /opt/gateway
COPY config /etc/gateway
ENV PATH=/opt/gateway/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONSAFEPATH=1 \
    GATEWAY_DATA_DIR=/data \
    GATEWAY_HTTP_HOST=0.0.0.0
# The root may be read-only; everything that is written lies here.
VOLUME /data
WORKDIR /data
USER 10001:10001
EXPOSE 8080 8081 8082
STOPSIGNAL SIGTERM
# Of `serve`; a worker's is `python -m gateway health --worker analyzer`, as deploy/compose.yaml has it.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 CMD ["python", "-m", "gateway", "health"]
ENTRYPOINT ["python", "-m", "gateway"]
CMD ["serve"]
