"""`visavis serve`: the live server and its page."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command("serve")
@click.option("--host", help="Address to listen at; 127.0.0.1 by default, 0.0.0.0 for all.")
@click.option("--port", type=click.IntRange(0, 65535), help="8010 by default; 0 for any free one.")
@click.option("--public", is_flag=True, default=None, help="Let anybody in without a token.")
@click.option("--tls-certificate", type=click.Path(path_type=Path), help="PEM file, for HTTPS.")
@click.option("--tls-key", type=click.Path(path_type=Path), help="PEM file, for HTTPS.")
@click.option("--tls-self-signed", is_flag=True, help="HTTPS with a certificate made here.")
@click.option(
    "--sessions", type=click.IntRange(0, 256), help="Sessions at once; measured by default."
)
@click.option("--database", help="URL such as postgresql://…; SQLite by default.")
@click.option("--data", type=click.Path(path_type=Path), help="Folder of the store and results.")
@click.option("--open", "open_browser", is_flag=True, help="Open the page in a browser.")
def command(
    host: str | None,
    port: int | None,
    public: bool | None,
    tls_certificate: Path | None,
    tls_key: Path | None,
    tls_self_signed: bool,
    sessions: int | None,
    database: str | None,
    data: Path | None,
    open_browser: bool,
) -> None:
    """Serve the page where a face answers, and the HTTP API.

    The link that is printed opens it. Every option can be set as VISAVIS_SERVER_PORT and so on.
    """
    from visavis.core.errors import MissingExtra

    try:
        from visavis.apps.processes import limit_arenas
        from visavis.apps.server.running import describe_exposure, run_server
        from visavis.apps.server.settings import load_server_settings
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("visavis"):
            raise
        raise MissingExtra(
            f"the live server needs {error.name}, which is not installed;"
            " install the extra: pip install 'visavis[live]'"
        ) from error

    settings = load_server_settings(
        host=host,
        port=port,
        public=public,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        sessions=sessions,
        database=database,
        data=data,
    )
    secure = tls_self_signed or settings.tls_certificate is not None
    warning = describe_exposure(settings, secure=secure)
    if warning and not settings.public:
        click.echo(f"note: {warning}", err=True)

    if settings.audio:
        click.echo(
            f"note: the sound of questions is kept for {settings.retention_days} days,"
            f" {settings.audio_mb} MB at most",
            err=True,
        )

    def say(what: str) -> None:
        click.echo(f"loading {what} …", err=True)

    def ready(link: str) -> None:
        click.echo(f"ready: {link}")
        sys.stdout.flush()
        if open_browser:
            import webbrowser

            webbrowser.open(link)

    limit_arenas()
    run_server(settings, self_signed=tls_self_signed, say=say, ready=ready)
