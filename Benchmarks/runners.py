"""Folders of manifests: those of the repository with another isolation, a library that is replaced, a second runner."""

import json
import pathlib
import shutil
import subprocess

ECHO = "org.stadion.echo"
OTHER = "org.example.other"  # from `stadion runner new`: multiplies by the number in its model's file


def write_manifest(source: pathlib.Path, folder: pathlib.Path, isolation: str, library: pathlib.Path | None = None):
  """Copies a manifest, with paths that hold in its new place."""
  text = source.read_text().replace('"@manifest/', f'"{source.parent.resolve()}/')
  manifest = json.loads(text) | {"isolation": isolation}
  path = library or manifest["library"]["path"]
  if not str(path).startswith("@host/"):
    path = (source.parent / path).resolve()  # an absolute path stays what it is
  manifest["library"] = manifest["library"] | {"path": str(path)}
  folder.mkdir(exist_ok=True)
  (folder / source.name).write_text(json.dumps(manifest, indent=2))


def copy_manifests(source: pathlib.Path, folder: pathlib.Path, isolation: str) -> pathlib.Path:
  """All manifests of a folder, with `isolation`."""
  for manifest in sorted(source.glob("*.runner.json")):
    write_manifest(manifest, folder, isolation)
  return folder


def make_other_runner(stadion: pathlib.Path, folder: pathlib.Path, manifests: pathlib.Path, models: pathlib.Path):
  """What an author does: `stadion runner new`, `make`. Its model multiplies by one, and so repeats its input."""
  for command in ([stadion, "runner", "new", "other", "--id", OTHER, "--folder", folder], ["make", "-C", folder]):
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
  write_manifest(folder / "other.runner.json", manifests, "process")
  (models / "other" / "1").mkdir(parents=True)
  (models / "other" / "1" / "model.other").write_text("1\n")


class ReplacedLibrary:
  """The echo runner's library in a folder of its own, where it is replaced as an installer or a linker would."""

  def __init__(self, library: pathlib.Path, folder: pathlib.Path):
    folder.mkdir()
    self.path = folder / library.name
    self.bytes = library.read_bytes()
    shutil.copyfile(library, self.path)

  def rename(self):
    """Writes a new file and puts it in the old one's place, in one step."""
    fresh = self.path.with_suffix(".new")
    fresh.write_bytes(self.bytes)
    fresh.rename(self.path)

  def overwrite(self, pause):
    """Writes over the file that is being used; `pause` is called while half of it is there."""
    half = len(self.bytes) // 2
    with self.path.open("wb") as file:
      file.write(self.bytes[:half])
      file.flush()
      pause()
      file.write(self.bytes[half:])
