"""Whether a file, a picture or a video, is fit to be an avatar."""

from __future__ import annotations

from pathlib import Path

from visavis.core.errors import PictureUnusable
from visavis.stages.avatars.check import check_picture
from visavis.stages.avatars.check_video import check_video
from visavis.stages.avatars.create import open_picture
from visavis.stages.avatars.report import CheckItem, CheckReport
from visavis.stages.avatars.scan import Progress


def check_source(source: Path, progress: Progress = lambda step, done: None) -> CheckReport:
    """Check a picture or a video; what cannot be used at all is a failed report as well.

    Raises:
        FileUnreadable: Missing, broken, or neither.
        NoVideoStream: Sound only.
        MissingWeights: The networks are not on this machine.
    """
    try:
        picture = open_picture(source)
    except PictureUnusable as error:
        found = str(error).removeprefix(f"{source} ")
        return CheckReport(str(source), "picture", (CheckItem("picture", "fail", found),))
    if picture is None:
        return check_video(source, progress=progress)
    report = check_picture(picture, str(source))
    progress("finding the face", 1.0)
    return report
