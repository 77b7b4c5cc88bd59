"""The catalogue: what is in music21, and downloads that are verified, by hand or by wire."""

from __future__ import annotations

import hashlib
import http.server
import importlib.util
import threading
from collections.abc import Iterator
from pathlib import Path

import pooch
import pytest

from seqgen.corpus import catalog
from seqgen.corpus.download import Download, fetch, find_file
from seqgen.corpus.readers import load
from seqgen.errors import InputError

DATA = b"X:1\nT:From afar\nK:D\nabc|\n"
DIGEST = hashlib.sha256(DATA).hexdigest()
ROOT = Path(__file__).resolve().parents[2]
DOWNLOADS = {
    name: entry.place
    for name, entry in catalog.CATALOG.items()
    if isinstance(entry.place, Download)
}
EMBEDDED = [name for name in catalog.CATALOG if name not in DOWNLOADS]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, an empty cache folder, and no proxy in between."""
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    monkeypatch.setattr(pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "seqgen"


@pytest.fixture
def server() -> Iterator[str]:
    """A server on this machine that answers /tunes.abc with DATA, anything else with 404."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/tunes.abc"
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(DATA if found else b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base's name
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}"
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_collections_hold_the_tunes_they_promise(name: str) -> None:
    corpus = load([name])

    assert (corpus.name, corpus.kind) == (name, "abc")
    assert len(corpus.documents) == catalog.CATALOG[name].documents
    assert all(d.source.startswith(f"{name}/") for d in corpus.documents)
    assert all(d.text.startswith("X:") and "\nK:" in d.text for d in corpus.documents)


def test_nothing_named_means_the_default_collection() -> None:
    corpus = load([], encoding="utf-16")  # the encoding is that of a user's files

    assert (corpus.name, len(corpus.documents)) == ("ryans-mammoth", 1059)


@pytest.mark.parametrize(
    ("spelling", "name"),
    [("ryansMammoth", "ryans-mammoth"), ("essenFolksong", "essen-folksong"),
     ("airdsAirs", "airds-airs"), ("ONEILLS1850", "oneills1850"),
     ("Tiny_Shakespeare", "tinyshakespeare")],
)  # fmt: skip
def test_other_spellings(spelling: str, name: str) -> None:
    entry = catalog.find(spelling)

    assert entry is catalog.CATALOG[name]


@pytest.mark.parametrize(
    ("misspelt", "name"),
    [("ryanmammoth", "ryans-mammoth"), ("shakespear", "tinyshakespeare"), ("irsh", "irish"),
     ("qwertyuiop", None)],
)  # fmt: skip
def test_nearest(misspelt: str, name: str | None) -> None:
    assert catalog.nearest(misspelt) == name


def test_without_music21_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)

    with pytest.raises(InputError, match=r"^ryans-mammoth: .*music21.* not installed.*pip install"):
        load([])


def test_the_readme_of_the_folder_names_every_download() -> None:
    readme = (ROOT / "corpora" / "README.md").read_text(encoding="utf-8")
    rows = [line for line in readme.splitlines() if line.startswith("| `")]

    assert len(rows) == len(DOWNLOADS)
    for row, (name, place) in zip(rows, sorted(DOWNLOADS.items()), strict=True):
        assert row.startswith(f"| `{name}` | `{place.file}` | <{place.url}> | `{place.sha256}` |")


def test_a_download_is_verified_and_kept_in_the_cache(server: str, cache: Path) -> None:
    download = Download(f"{server}/tunes.abc", DIGEST, "tunes.abc")
    assert find_file(download) is None

    path = fetch("afar", download)

    assert path == cache / "tunes.abc"
    assert path.read_bytes() == DATA
    assert find_file(download) == path


def test_a_download_goes_to_the_projects_corpora_folder(server: str) -> None:
    Path("corpora").mkdir()

    path = fetch("afar", Download(f"{server}/tunes.abc", DIGEST, "tunes.abc"))

    assert path == Path.cwd() / "corpora" / "tunes.abc"


def test_another_file_at_the_address_is_refused_and_not_kept(server: str, cache: Path) -> None:
    download = Download(f"{server}/tunes.abc", "0" * 64, "tunes.abc")

    with pytest.raises(InputError, match=rf"^afar: .*another SHA-256.* put it at {cache}/tunes"):
        fetch("afar", download)
    assert list(cache.iterdir()) == []


def test_a_missing_file_at_the_address(server: str) -> None:
    with pytest.raises(InputError, match=r"^afar: can't be downloaded from .*404"):
        fetch("afar", Download(f"{server}/gone.abc", DIGEST, "gone.abc"))


def test_offline_the_error_names_address_digest_cause_and_place(cache: Path) -> None:
    # Nothing listens on port 9 (discard) of this machine.
    url = "http://127.0.0.1:9/tunes.abc"

    with pytest.raises(InputError) as caught:
        fetch("afar", Download(url, DIGEST, "tunes.abc"))

    assert str(caught.value) == (
        f"afar: can't be downloaded from {url} (connection refused); get it another way and put "
        f"it at {cache / 'tunes.abc'}, SHA-256 {DIGEST}"
    )


@pytest.mark.parametrize("folder", ["corpora", "cache"])
def test_a_file_put_there_by_hand_is_used_without_a_network(folder: str, cache: Path) -> None:
    place = Path.cwd() / "corpora" if folder == "corpora" else cache
    place.mkdir(parents=True)
    (place / "tunes.abc").write_bytes(DATA)

    path = fetch("afar", Download("http://127.0.0.1:9/", DIGEST, "tunes.abc"))

    assert path == place / "tunes.abc"


def test_a_wrong_file_put_there_by_hand_is_refused_and_left_alone() -> None:
    Path("corpora").mkdir()
    own = Path("corpora/irish.abc")
    own.write_bytes(DATA)

    with pytest.raises(InputError, match=rf"^irish: .*its SHA-256 is {DIGEST}, not df3782d5.*rem"):
        load(["irish"])
    assert own.read_bytes() == DATA


def test_a_downloaded_collection_loads_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = catalog.CATALOG["irish"]
    stand_in = Download("http://127.0.0.1:9/", DIGEST, "irish.abc")
    Path("corpora").mkdir()
    Path("corpora/irish.abc").write_bytes(DATA)
    renamed = catalog.Entry(
        entry.name, entry.title, entry.what, "abc", 1, entry.licence, entry.source, stand_in
    )
    monkeypatch.setitem(catalog.CATALOG, "irish", renamed)

    corpus = load(["irish"])

    assert (corpus.name, corpus.documents[0].source) == ("irish", "irish/irish.abc")
