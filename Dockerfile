# The image of projector, query API, gateway and command line. It has no Java: the broker runs elsewhere.
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS build
WORKDIR /src
COPY uv.requirements ./
RUN python -m venv /tools && /tools/bin/python -m pip install -q --no-cache-dir --require-hashes -r uv.requirements
ENV PATH=/tools/bin:$PATH UV_NO_CACHE=1 UV_PYTHON=/app/bin/python UV_PYTHON_DOWNLOADS=never
# Dependencies change less often than the code and get a layer of their own. The lock, which has the hash of each, is a
# constraint here: that leaves out the dependencies of an embedded broker (a Java, 90 MB).
COPY pyproject.toml requirements.lock ./
RUN uv venv -q --python "$(command -v python3)" /app && \
    uv pip install -q --compile-bytecode -r pyproject.toml -c requirements.lock
COPY . .
RUN uv build -q --wheel --require-hashes --build-constraint requirements.lock -o /dist && \
    uv pip install -q --compile-bytecode --no-deps /dist/*.whl

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /var/lib/library library && \
    install -d -o library -g library /var/lib/library
COPY --from=build /app /app
ENV PATH=/app/bin:$PATH PYTHONUNBUFFERED=1 LIBRARY_DATA_DIR=/var/lib/library LIBRARY_HOST=0.0.0.0
USER library
WORKDIR /var/lib/library
CMD ["library", "--help"]
