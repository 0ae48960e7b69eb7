"""Whatever lies in a folder of sounds: what is used, what is left out, and why."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.signal
import soundfile

import ganwright as gw
from ganwright.base.errors import DataError
from ganwright.cli.app import run as command

from .conftest import LENGTH, RATE, fill, tone, wav

Capture = pytest.CaptureFixture[str]
PATTERN = "{label}_{speaker}_{index}"


def flat(folder: Path, each: int = 30) -> Path:
    return fill(folder, each, lambda kind, who, i: f"{kind}_{who}_{i}.wav")


def wrong(capsys: Capture, *words: str) -> str:
    """The one line that a wrong command gives."""
    assert command(list(words)) == 2
    told = capsys.readouterr().err
    assert len(told.splitlines()) == 1 and told.startswith("ganwright: error: ")
    return told


@pytest.mark.parametrize("form", ["wav", "flac", "ogg", "mp3"])
def test_the_usual_kinds_of_files_are_read(tmp_path: Path, form: str) -> None:
    for i in range(12):
        wave = np.stack([tone(True, i), tone(True, i)], 1)  # stereo
        soundfile.write(tmp_path / f"{i}.{form}", wave, RATE)
    data = gw.open_data(tmp_path, holdout=0.0)
    assert data.codec.kind == "audio" and len(data) == 12 and data.codec.rate == RATE
    assert "12 of 12 files have several channels: averaged to one" in data.notes
    if form in ("wav", "flac"):
        own = data.rows[0][:LENGTH]
        assert any(np.array_equal(own, tone(True, i)) for i in range(12))


@pytest.mark.parametrize("depth", ["8 bit", "16 bit", "24 bit", "32 bit"])
def test_samples_have_the_datas_depth(tmp_path: Path, depth: str) -> None:
    for i in range(4):
        (tmp_path / f"{i}.wav").write_bytes(wav(tone(True, i), depth=depth))
    data = gw.open_data(tmp_path, holdout=0.0)
    assert data.codec.depth == depth
    step = 256 if depth == "8 bit" else 1
    near = [np.abs(data.rows[i][:LENGTH] - tone(True, i).astype(int)).max() for i in range(4)]
    assert max(near) <= step // 2 + 1


def test_classes_by_folder_and_by_pattern_are_the_same(tmp_path: Path) -> None:
    by_folder = gw.open_data(fill(tmp_path / "a", 30, lambda kind, who, i: f"{kind}/{i}.wav"))
    by_name = gw.open_data(flat(tmp_path / "b"), audio={"label": PATTERN})
    assert by_folder.spec.classes == by_name.spec.classes == ("down", "up")
    assert gw.open_data(tmp_path / "b").spec.classes == ()
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        for path in sorted((tmp_path / "b").iterdir()):
            archive.write(path, f"inside/{path.name}")
    zipped = gw.open_data(tmp_path / "c.zip", audio={"label": PATTERN})
    assert np.array_equal(np.sort(zipped.hashes), np.sort(by_folder.hashes))


def test_groups_are_held_out_whole(tmp_path: Path) -> None:
    folder = flat(tmp_path)
    for asked, held in (
        ("speaker=bob", {"bob"}),
        ("speaker", None),
        ("speaker = ann, cat", {"ann", "cat"}),
    ):
        data = gw.open_data(folder, audio={"label": PATTERN, "hold_out": asked})
        sides = [
            {data.name_of(int(i)).split("_")[1] for i in part}
            for part in (data.train, data.heldout)
        ]
        assert sides[0] and sides[1] and not sides[0] & sides[1]
        assert held is None or sides[1] == held


def test_wrong_patterns_and_groups_are_one_line(tmp_path: Path, capsys: Capture) -> None:
    folder = str(flat(tmp_path))
    for settings, told in (
        (["label={label}-{x}"], "no name matches"),
        (["label=label"], "a pattern has fields"),
        ([f"label={PATTERN}", "hold_out=speker"], "Did you mean 'speaker'?"),
        ([f"label={PATTERN}", "hold_out=speaker=bop"], "Did you mean 'bob'?"),
        ([f"label={PATTERN}", "hold_out=speaker=ann,bob,cat"], "leaves nothing to train on"),
        (["hold_out=speaker"], "names a field of data.audio.label"),
        (["rate=0"], "rate"),
    ):
        words = [w for one in settings for w in ("--set", f"data.audio.{one}")]
        assert told in wrong(capsys, "inspect", folder, *words)


def test_bad_files_are_named_counted_and_left_out(tmp_path: Path, capsys: Capture) -> None:
    folder = flat(tmp_path, 20)
    (folder / "a0_silent.wav").write_bytes(wav(np.zeros(LENGTH, np.int16)))
    (folder / "a1_one.wav").write_bytes(wav(np.ones(1, np.int16)))
    (folder / "a2_empty.wav").write_bytes(b"")
    (folder / "a3_text.wav").write_text("these are words, and no sound at all")
    (folder / "a4_cut.wav").write_bytes(wav(tone(True, 0))[:2000])
    (folder / "a5_none.wav").write_bytes(wav(np.empty(0, np.int16)))
    (folder / "notes.txt").write_text("ignored")
    assert command(["inspect", str(folder)]) == 0
    told = capsys.readouterr().out
    for line in (
        "40 usable of 46", "a0_silent.wav is silent", "a1_one.wav has 1 sample:",
        "a2_empty.wav is empty", "a3_text.wav is no sound that can be read",
        "a4_cut.wav is cut off", "and 1 more", ".txt: 1",
    ):  # fmt: skip
        assert line in told
    assert "can't be used; the first: a2_empty.wav is empty" in wrong(
        capsys, "inspect", str(folder), "--set", "data.bad=refuse"
    )


def test_a_folder_of_silence_is_one_line(tmp_path: Path, capsys: Capture) -> None:
    for i in range(3):
        (tmp_path / f"{i}.wav").write_bytes(wav(np.zeros(LENGTH, np.int16)))
    assert "of 3 sounds none can be used; the first: 0.wav is silent" in wrong(
        capsys, "train", str(tmp_path), "--out", str(tmp_path / "run")
    )
    assert not (tmp_path / "run").exists()


def test_other_rates_are_resampled_to_the_commonest(tmp_path: Path) -> None:
    """Against SciPy's Fourier resampling, which is exact for a band-limited sound."""
    other = tone(True, 1, LENGTH * 3 // 2, RATE * 3 // 2)
    for i in range(5):
        (tmp_path / f"{i}.wav").write_bytes(wav(tone(False, i)))
    (tmp_path / "5.wav").write_bytes(wav(other, RATE * 3 // 2))
    data = gw.open_data(tmp_path, holdout=0.0)
    assert "1 of 6 files have another rate: resampled to 8,000 Hz" in data.notes
    made, expected = data.rows[5][:LENGTH], scipy.signal.resample(other, LENGTH)
    error = np.sqrt(((made - expected) ** 2).mean() / (expected**2).mean())
    assert error < 0.01
    assert gw.open_data(tmp_path, holdout=0.0, audio={"rate": 4000}).codec.rate == 4000


def test_slices_of_another_rate_fit_together(tmp_path: Path) -> None:
    """Resampled part by part, a recording is what it is resampled whole."""
    rng = np.random.default_rng(0)
    noise = scipy.signal.resample(rng.standard_normal(6 * 5000), 6 * 11_025) * 3000
    path = tmp_path / "long.wav"
    path.write_bytes(wav(np.rint(noise).astype(np.int16), 11_025))
    data = gw.open_data(path, audio={"rate": RATE}, holdout=0.0)
    whole = scipy.signal.resample_poly(np.rint(noise), 320, 441)
    made = data.rows[: len(data)].reshape(-1)[: len(whole)]
    assert len(data) == 6 and np.abs(made - whole[: len(made)]).max() < 30


def test_long_recordings_are_sliced_in_little_memory(tmp_path: Path, capsys: Capture) -> None:
    """Six minutes, read part by part: slices follow each other without a gap."""
    rng, seconds = np.random.default_rng(0), 360
    wave = np.rint(rng.standard_normal(seconds * RATE) * 3000).astype(np.int16)
    wave[: 20 * RATE] = 0
    path = tmp_path / "long.wav"
    path.write_bytes(wav(wave))
    data = gw.open_data(path)
    length = data.codec.length
    assert length == 8192 and len(data) == round(len(wave) / length) - 20 * RATE // length
    assert any("19 slices are silent" in note for note in data.notes)
    first = 20 * RATE // length * length
    assert np.array_equal(data.rows[0], wave[first : first + length])
    assert np.array_equal(data.rows[9], wave[first + 9 * length :][:length])
    assert len(data.heldout) and data.name_of(0) == "long.wav at 19.5 s"
    assert command(["inspect", str(path)]) == 0
    told = capsys.readouterr().out
    assert "6.0 min in all" in told and "recordings are cut into slices of 1.02 s" in told


def test_slices_of_a_recording_are_on_one_side(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(12):
        wave = np.rint(rng.standard_normal(4 * RATE) * 3000).astype(np.int16)
        (tmp_path / f"{i}.wav").write_bytes(wav(wave))
    data = gw.open_data(tmp_path)
    sides = [{data.name_of(int(i)).split()[0] for i in p} for p in (data.train, data.heldout)]
    assert len(data) == 48 and sides[0] and sides[1] and not sides[0] & sides[1]


def test_without_soundfile_there_is_one_line(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = flat(tmp_path)
    monkeypatch.setitem(sys.modules, "soundfile", None)
    assert "pip install 'ganwright[audio]'" in wrong(capsys, "inspect", str(folder))


def test_images_and_texts_with_a_few_sounds_stay_what_they_are(tmp_path: Path) -> None:
    from PIL import Image

    for i in range(8):
        Image.fromarray(np.full((8, 8), 20 * i, np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "memo.wav").write_bytes(wav(tone(True, 0)))
    assert gw.open_data(tmp_path).codec.kind == "image"
    with pytest.raises(DataError, match="gives 1 example"):
        gw.open_data(tmp_path, form="audio")
