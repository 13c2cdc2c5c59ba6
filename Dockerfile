# Images of git-token-webhook, for every platform of Python's own image. Nothing is compiled: each package is a wheel with the
# version and hash of requirements.lock.
#
#   docker build --tag git-token-webhook .                                    for production: no simulator, no demo
#   docker build --tag git-token-webhook:dev --target development .           restarts when its code changes
#   docker build --tag git-token-webhook-simulator --target simulator .       the simulated providers
#
# The base is named by its tag, so that a new build gets the security fixes of Debian and Python. The provenance of a
# release names the exact base.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim AS dependencies
RUN python -m venv --without-pip /opt/git-token-webhook
ENV PATH=/opt/git-token-webhook/bin:$PATH PIP_PYTHON=/opt/git-token-webhook/bin/python PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
COPY requirements.lock ./
# pip by its path, because the environment comes first on the PATH. flit-core only builds our package, so it does not stay.
# Nor do the commands of the dependencies. The file system of a pod is read-only, so all bytecode is compiled here.
RUN /usr/local/bin/pip install --no-cache-dir --no-compile --require-hashes --only-binary=:all: -r requirements.lock \
 && mkdir /opt/flit \
 && mv /opt/git-token-webhook/lib/python3.*/site-packages/flit_core* /opt/flit/ \
 && find /opt/git-token-webhook/bin -type f -delete \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/git-token-webhook/lib

FROM dependencies AS build
COPY pyproject.toml README.md LICENSE ./
COPY webhook ./webhook
RUN PYTHONPATH=/opt/flit /usr/local/bin/pip install --no-cache-dir --no-compile --no-deps --no-build-isolation --prefix=/opt/package . \
 && python -m compileall -q --invalidation-mode unchecked-hash /opt/package/lib \
 && mkdir /opt/simulator \
 && cp -r --parents /opt/package/lib/python3.*/site-packages/webhook/simulator /opt/package/lib/python3.*/site-packages/webhook/demo /opt/simulator \
 && rm -r /opt/package/lib/python3.*/site-packages/webhook/simulator /opt/package/lib/python3.*/site-packages/webhook/demo

FROM python:${PYTHON}-slim AS product
ENV PATH=/opt/git-token-webhook/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Nothing is installed at run time, and scanners need not report on pip. Python's own library comes without bytecode: its
# 10 MB make each start half a second shorter.
RUN pip uninstall --yes --root-user-action=ignore pip \
 && rm -rf /usr/local/lib/python3.*/ensurepip \
 && python -m compileall -q --invalidation-mode unchecked-hash \
    -x '/(test|idlelib|lib2to3|pydoc_data|tkinter|turtledemo|site-packages)/' /usr/local/lib/python3.*
# Two layers: the dependencies change seldom.
COPY --from=dependencies /opt/git-token-webhook /opt/git-token-webhook
COPY --from=build /opt/package /opt/git-token-webhook
LABEL org.opencontainers.image.title="git-token-webhook" \
      org.opencontainers.image.description="A Kubernetes admission webhook that asks Git providers whether a token can do its job when a Secret is written" \
      org.opencontainers.image.licenses="Apache-2.0"
# A number, from which the kubelet can tell that the user is not root (runAsNonRoot).
USER 65532:65532
EXPOSE 9443 8080
# The first process itself, without a shell around it, so that SIGTERM reaches it.
ENTRYPOINT ["git-token-webhook"]

FROM product AS simulator
COPY --from=build /opt/simulator/opt/package /opt/git-token-webhook
ENTRYPOINT ["python", "-m", "webhook.simulator"]

FROM dependencies AS watcher
COPY requirements-watch.lock ./
RUN /usr/local/bin/pip install --no-cache-dir --prefix=/opt/watch --require-hashes --only-binary=:all: -r requirements-watch.lock

FROM product AS development
COPY --from=watcher /opt/watch /opt/git-token-webhook
# Found before the installed package, and writable, so that Tilt can copy changed files to it. So can Python with bytecode.
COPY --chown=65532:65532 webhook /app/webhook
ENV PYTHONPATH=/app PYTHONDONTWRITEBYTECODE=
# The server restarts after each change, and ends with its watcher. Other commands run once.
ENTRYPOINT ["sh", "-c", "[ \"$1\" = serve ] || exec git-token-webhook \"$@\"; exec watchfiles --filter python --sigint-timeout 5 \"git-token-webhook $*\" /app/webhook", "--"]

# The last stage is the default.
FROM product
