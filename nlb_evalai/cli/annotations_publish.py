"""``nlb-evalai annotations publish``: put a phase's truth on private storage."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

# missed before scipy is: the extra that brings it brings that, too
import botocore  # noqa: F401
import click

from evaluation_script.suites import Suite
from nlb_evalai.cli._suite import suite_option
from nlb_evalai.cli._terminal import echo


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("destination", metavar="S3://BUCKET/KEY")
@click.option(
    "--pointer",
    type=click.Path(path_type=Path),
    help="Pointer to write.  [default: FILE with the suffix .yaml]",
)
@click.option("--phase", help="Codename of the phase, needed where the file does not say it.")
@suite_option("the file")
@click.option("--kms-key", help="Encrypt with this KMS key.  [default: the store's own keys]")
@click.option("--overwrite", is_flag=True, help="Replace other content under the same key.")
@click.option(
    "--endpoint",
    help="Address of a store other than AWS.  [default: the variable AWS_ENDPOINT_URL_S3]",
)
def publish(
    file: Path,
    destination: str,
    pointer: Optional[Path],
    phase: Optional[str],
    suite: Optional[Suite],
    kms_key: Optional[str],
    overwrite: bool,
    endpoint: Optional[str],
) -> None:
    """Upload FILE, encrypted and never public, read it back, and write a pointer to it.

    It goes to S3://BUCKET/KEY. A key that ends with a slash is completed with the phase and the
    hash. Credentials come from where AWS tools look for them (AWS_PROFILE, AWS_ACCESS_KEY_ID, a
    role, ...).
    """
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    from nlb_evalai.truth.publish import publish as run

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
    )
    size = file.stat().st_size
    with Progress(*columns, console=Console(stderr=True)) as bars:
        up = bars.add_task("uploading", total=size)
        back = bars.add_task("reading back", total=size)
        written = run(
            file,
            destination,
            pointer_path=pointer,
            phase=phase,
            suite=suite,
            kms_key=kms_key,
            overwrite=overwrite,
            endpoint_url=endpoint,
            uploaded=lambda count: bars.advance(up, count),
            read_back=lambda count: bars.advance(back, count),
        )
    echo(f"wrote {written}:")
    click.echo()
    click.echo(written.read_text())
