# The image of git-token-webhook, for every machine that Python's own image is made for: nothing is compiled here, and
# each package comes built, in the version and with the hash that requirements.lock says.
#
#   docker build --tag git-token-webhook .                                    what runs in production
#   docker build --tag git-token-webhook:dev --target development .           starts again whenever its code changes
#
# The base goes by its tag, so that a new build has Debian's and Python's security fixes; which one a release was built
# on is in its provenance.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS build
WORKDIR /src
RUN python -m venv --without-pip /opt/git-token-webhook
ENV PATH=/opt/git-token-webhook/bin:$PATH PIP_PYTHON=/opt/git-token-webhook/bin/python PIP_DISABLE_PIP_VERSION_CHECK=1
# By its path, because the environment's own programs come first from here on.
COPY requirements.lock ./
RUN /usr/local/bin/pip install --no-cache-dir --no-compile --require-hashes --only-binary=:all: -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY webhook ./webhook
# What builds the package is in the lock, and has no place where the package runs. A read-only file system keeps no
# bytecode: what is compiled here is what every start would otherwise compile anew.
RUN /usr/local/bin/pip install --no-cache-dir --no-compile --no-deps --no-build-isolation . \
 && /usr/local/bin/pip uninstall --yes flit-core \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/git-token-webhook/lib

FROM python:${PYTHON}-slim AS product
ENV PATH=/opt/git-token-webhook/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Nothing is installed at run time, and no scanner needs to wonder about pip. Python's own library comes without bytecode,
# too: 10 MB that make each start half a second shorter.
RUN pip uninstall --yes --root-user-action=ignore pip \
 && rm -rf /usr/local/lib/python3.*/ensurepip \
 && python -m compileall -q --invalidation-mode unchecked-hash \
    -x '/(test|idlelib|lib2to3|pydoc_data|tkinter|turtledemo|site-packages)/' /usr/local/lib/python3.*
COPY --from=build /opt/git-token-webhook /opt/git-token-webhook
LABEL org.opencontainers.image.title="git-token-webhook" \
      org.opencontainers.image.description="A Kubernetes admission webhook that asks Git providers whether a token can do its job when a Secret is written" \
      org.opencontainers.image.licenses="Apache-2.0"
# Numbers, because that is how the kubelet can tell that it isn't root (runAsNonRoot).
USER 65532:65532
EXPOSE 9443 8080
# It is the container's first process itself, without a shell around it, so that SIGTERM reaches it.
ENTRYPOINT ["git-token-webhook"]

FROM build AS watcher
COPY requirements-watch.lock ./
RUN /usr/local/bin/pip install --no-cache-dir --require-hashes --only-binary=:all: -r requirements-watch.lock

FROM product AS development
COPY --from=watcher /opt/git-token-webhook /opt/git-token-webhook
# Found before the installed one, and writable, so that Tilt can put changed files here while it runs.
COPY --chown=65532:65532 webhook /app/webhook
ENV PYTHONPATH=/app
# The server starts again after each change, and ends with its watcher. Other commands are run once, as ever.
ENTRYPOINT ["sh", "-c", "[ \"$1\" = serve ] || exec git-token-webhook \"$@\"; exec watchfiles --filter python --sigint-timeout 1 \"git-token-webhook $*\" /app/webhook", "--"]

# The last stage is what a build without --target makes.
FROM product
