"""A published folder on the Hugging Face Hub: sent as it is, compared there, then made visible.

The steps, in order; each can be repeated, so an interrupted push is begun again and sends only
what is missing:

1. make the dataset repository, unless it is there;
2. send the folder to a branch of its own (``mosdata-<8 letters of the dataset id>``) with
   ``upload_folder``, which keeps every byte; ``push_to_hub`` would write its own files;
3. compare every file that the Hub has there with ``checksums.sha256``;
4. tag that commit with the dataset id and the first letters of the checksum of the checksums;
5. bring ``main`` to the same files in one commit of copies on the Hub, unless the caller named
   a branch; nothing is sent again, and a reader of ``main`` never sees half a dataset.

The token is the Hub's own business: ``HF_TOKEN``, or what ``hf auth login`` stored. It is never
printed, and is cut out of everything that the Hub answers.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mosdata.builders.verify import CHECKSUMS_NAME, read_checksums
from mosdata.errors import BuildFailed, DamagedDataset, InvalidValue, UsageError
from mosdata.manifests.durable import sha256_file
from mosdata.manifests.store import open_dataset

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

SCHEME: Final = "hub:"
MAIN: Final = "main"
OWN_FOLDERS: Final = ("data", "ratings", "quarantine", "card", "splits", "checks")
"""Folders of the repository that are ours: files of an earlier dataset in them are removed."""

MAX_NAMED: Final = 5
NAME: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"
MAX_NAME: Final = 96


@dataclass(frozen=True, slots=True, kw_only=True)
class Pushed:
    """Where a dataset lies on the Hub. ``main`` says whether that branch has it too."""

    repo_id: str
    url: str
    branch: str
    tag: str
    commit: str
    num_files: int
    main: bool


def repo_of(destination: str) -> str:
    """The repository that ``hub:org/name`` names.

    Raises:
        InvalidValue: it is no name of a repository on the Hub.

    Example:
        >>> repo_of("hub:my-lab/speech-quality")
        'my-lab/speech-quality'
    """
    name = destination.removeprefix(SCHEME)
    if (
        destination.startswith(SCHEME)
        and re.fullmatch(f"{NAME}/{NAME}", name)
        and len(name) <= MAX_NAME
        and not re.search(r"--|\.\.|\.git$", name)
    ):
        return name
    raise InvalidValue(
        "--to",
        destination,
        "hub:org/name, of letters, digits, '-', '_' and '.', without '--' and '..', and of at most "
        f"{MAX_NAME} letters",
        "A folder on this machine goes to --out.",
    )


def push(
    folder: Path,
    repo_id: str,
    *,
    private: bool | None = None,
    branch: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Pushed:
    """Send a published folder to the Hub, compare every file there, tag it, bring main to it.

    Args:
        folder: what :func:`mosdata.builders.publish.publish` made.
        repo_id: ``org/name``.
        private: who may see a repository that is made now; None for the organisation's custom.
        branch: send it there and leave ``main`` alone; None for a branch of its own, then main.
        say: told of each step.

    Raises:
        UsageError: no token, or one that may not do this.
        DamagedDataset: what the Hub has is not what was sent.
        BuildFailed: the Hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi, get_token

    if not get_token():
        raise UsageError(
            "The Hub wants to know who you are: 'hf auth login', or set HF_TOKEN to a token that "
            "may write. Nothing was sent."
        )
    dataset_id = open_dataset(folder).dataset_id
    sums = _checksums(folder)
    place = branch or f"mosdata-{dataset_id[:8]}"
    tag = f"{dataset_id}-{sums[CHECKSUMS_NAME][:8]}"
    api = HfApi()
    with hub_errors(repo_id):
        _make_repository(api, repo_id, private=private)
        if place != MAIN:
            api.create_branch(repo_id, branch=place, repo_type="dataset", exist_ok=True)
        say(f"Sending {len(sums)} files to {repo_id}, branch {place}.")
        commit = _send(api, folder, repo_id, place, sums)
        say("Comparing every file on the Hub with its checksum.")
        _compare(folder, _files(api, repo_id, commit), sums, where=f"{repo_id}, branch {place}")
        _tag(api, repo_id, tag, commit)
        if branch is None:
            say(f"Bringing {MAIN} to the same files.")
            main = _copy_to_main(api, repo_id, commit, sums)
            _compare(folder, _files(api, repo_id, main), sums, where=f"{repo_id}, branch {MAIN}")
    return Pushed(
        repo_id=repo_id,
        url=f"{api.endpoint}/datasets/{repo_id}",
        branch=place,
        tag=tag,
        commit=commit,
        num_files=len(sums),
        main=branch in (None, MAIN),
    )


def _checksums(folder: Path) -> dict[str, str]:
    """Every file to be sent, with its checksum; the list of checksums is one of them."""
    path = folder / CHECKSUMS_NAME
    return {**dict(read_checksums(path)), CHECKSUMS_NAME: sha256_file(path)}


def _make_repository(api: HfApi, repo_id: str, *, private: bool | None) -> None:
    """Make the repository unless it is there.

    Raises:
        UsageError: it should be private, and is there and public.
    """
    api.create_repo(repo_id, repo_type="dataset", private=private, exist_ok=True)
    if private and not api.repo_info(repo_id, repo_type="dataset").private:
        raise UsageError(
            f"{repo_id} is there already, and public; nothing was sent. Make it private on the "
            "Hub, choose another name, or leave out --private."
        )


def _send(api: HfApi, folder: Path, repo_id: str, branch: str, sums: Mapping[str, str]) -> str:
    """Upload what the branch lacks; returns the commit that has all of it."""
    head = _head(api, repo_id, branch)
    there = _files(api, repo_id, head)
    if not _differing(folder, there, sums) and not _stale(there, sums):
        return head
    api.upload_folder(
        repo_id=repo_id,
        repo_type="dataset",
        folder_path=folder,
        revision=branch,
        allow_patterns=[_literal(name) for name in sums],
        delete_patterns=[f"{name}/*" for name in OWN_FOLDERS],
        commit_message=f"mosdata dataset {open_dataset(folder).dataset_id}",
    )
    return _head(api, repo_id, branch)


def _head(api: HfApi, repo_id: str, branch: str) -> str:
    return str(api.repo_info(repo_id, repo_type="dataset", revision=branch).sha)


def _stale(there: Mapping[str, RepoFile], sums: Mapping[str, str]) -> list[str]:
    """Files of an earlier dataset in our folders."""
    return [name for name in there if name not in sums and name.split("/")[0] in OWN_FOLDERS]


def _literal(name: str) -> str:
    """A pattern that matches this name only."""
    return re.sub(r"([*?[])", r"[\1]", name)


def _files(api: HfApi, repo_id: str, commit: str) -> dict[str, RepoFile]:
    from huggingface_hub.hf_api import RepoFile

    tree = api.list_repo_tree(repo_id, repo_type="dataset", revision=commit, recursive=True)
    return {entry.path: entry for entry in tree if isinstance(entry, RepoFile)}


def _compare(
    folder: Path, remote: Mapping[str, RepoFile], sums: Mapping[str, str], *, where: str
) -> None:
    """Hold what the Hub says it has against the checksums.

    Raises:
        DamagedDataset: names the files that differ or are missing.
    """
    wrong = _differing(folder, remote, sums)
    if wrong:
        shown = ", ".join(wrong[:MAX_NAMED]) + (", ..." if len(wrong) > MAX_NAMED else "")
        raise DamagedDataset(
            f"{len(wrong)} of {len(sums)} files in {where} are not what was sent: {shown}. "
            "Delete that branch on the Hub, and push again; nothing points to it yet."
        )


def _differing(folder: Path, remote: Mapping[str, RepoFile], sums: Mapping[str, str]) -> list[str]:
    return [name for name, checksum in sums.items() if not _is_same(folder, name, checksum, remote)]


def _is_same(folder: Path, name: str, checksum: str, remote: Mapping[str, RepoFile]) -> bool:
    if name not in remote:
        return False
    there = remote[name]
    if there.lfs is not None:
        return bool(there.lfs.sha256 == checksum)
    return bool(there.blob_id == _git_blob_id((folder / name).read_bytes()))


def _git_blob_id(data: bytes) -> str:
    """The name that git gives to a small file's content."""
    # SHA-1 because git says so; it tells files apart, it keeps no secret.
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


def _tag(api: HfApi, repo_id: str, tag: str, commit: str) -> None:
    """Tag the commit, unless an earlier push has tagged the same files."""
    refs = api.list_repo_refs(repo_id, repo_type="dataset")
    if tag not in {ref.name for ref in refs.tags}:
        api.create_tag(repo_id, tag=tag, revision=commit, repo_type="dataset")


def _copy_to_main(api: HfApi, repo_id: str, commit: str, sums: Mapping[str, str]) -> str:
    """One commit on main that has the files of another commit, copied on the Hub."""
    from huggingface_hub import CommitOperationCopy, CommitOperationDelete

    head = _head(api, repo_id, MAIN)
    there, verified = _files(api, repo_id, head), _files(api, repo_id, commit)
    operations: list[Any] = [
        CommitOperationCopy(src_path_in_repo=name, path_in_repo=name, src_revision=commit)
        for name in sums
        if name not in there or there[name].blob_id != verified[name].blob_id
    ]
    operations += [CommitOperationDelete(path_in_repo=name) for name in _stale(there, sums)]
    if not operations:
        return head
    api.create_commit(
        repo_id,
        operations,
        repo_type="dataset",
        revision=MAIN,
        parent_commit=head,
        commit_message="mosdata: the files of the verified branch",
    )
    return _head(api, repo_id, MAIN)


@contextlib.contextmanager
def hub_errors(repo_id: str) -> Iterator[None]:
    """Say in words what the Hub or the network answered, without the token.

    Raises:
        UsageError: the token is refused, or may not write there.
        BuildFailed: anything else; what was sent is not sent twice.
    """
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    try:
        yield
    except (DamagedDataset, UsageError):
        raise
    except OfflineModeIsEnabled:
        raise UsageError(
            "HF_HUB_OFFLINE is set, so nothing may be sent. Unset it, and run the same command "
            "again."
        ) from None
    except HfHubHTTPError as error:
        # The request that the error carries holds the token, so the chain ends here.
        raise _refusal(error.response.status_code, repo_id, str(error)) from None
    except Exception as error:  # noqa: BLE001 - the Hub's client raises what its parts raise
        raise BuildFailed(
            f"Sending to {repo_id} was interrupted: {_safe(f'{type(error).__name__}: {error}')}. "
            "Run the same command again; what is there is not sent twice."
        ) from None


def _refusal(status: int, repo_id: str, answer: str) -> UsageError | BuildFailed:
    if status == 401:
        return UsageError(
            "The Hub does not accept the token. Log in anew ('hf auth login'), or set HF_TOKEN to "
            "a token that may write."
        )
    if status == 403:
        return UsageError(
            f"This token may not write to {repo_id}. Take one with write access there, or another "
            "name."
        )
    if status == 412:
        return BuildFailed(f"{repo_id} was changed by somebody else meanwhile; push again.")
    return BuildFailed(
        f"The Hub answered {status} for {repo_id}: {_safe(answer)} Run the same command again; "
        "what is there is not sent twice."
    )


def _safe(text: str) -> str:
    """One line without the token, or anything that looks like one."""
    from huggingface_hub import get_token

    if token := get_token():
        text = text.replace(token, "***")
    text = re.sub(r"hf_[A-Za-z0-9_-]{4,}", "***", text)
    return " ".join(re.sub(r"(?i)bearer\s+\S+", "***", text).split())
