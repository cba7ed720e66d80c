# One image for web, worker, scheduler and migrations; docker-compose.yml gives each its command.

FROM python:3.11-slim AS packages
WORKDIR /build
COPY requirements.txt .
# Hashes are checked, and every package comes as a wheel, so no compiler is needed.
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check \
        --require-hashes --only-binary :all: -r requirements.txt

FROM python:3.11-slim
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    CRM_STATE_DIR=/var/lib/crm
# A volume mounted here takes over this owner, so the processes can write their journals without being root.
RUN groupadd --system --gid 10001 crm \
    && useradd --system --uid 10001 --gid crm --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin crm \
    && install -d -o crm -g crm -m 0700 /var/lib/crm
COPY --from=packages /opt/venv /opt/venv
WORKDIR /app
COPY . .
# The settings want secrets before they do anything; these hold for this one command and protect nothing.
RUN CRM_ENV=development \
    SECRET_KEY=only-for-collecting-static-files \
    BLIND_INDEX_KEY=only-for-collecting-static-files \
    LINK_SIGNING_KEYS=only-for-collecting-static-files \
    FIELD_ENCRYPTION_KEY=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA= \
    python manage.py collectstatic --no-input --verbosity 0 \
    && python -m compileall -q .
USER crm
EXPOSE 8000
# Two processes of four threads; more than the threads can take waits in the socket's backlog.
CMD ["granian", "--interface", "wsgi", "--host", "0.0.0.0", "--port", "8000", \
     "--workers", "2", "--blocking-threads", "4", "--backpressure", "16", "--workers-kill-timeout", "5", \
     "--no-access-log", "crm_project.wsgi:application"]
