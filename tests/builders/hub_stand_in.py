"""A stand-in for the Hugging Face Hub on the loopback, to push to and to load from.

It knows enough of the HTTP interface for that, and misbehaves when it is told to.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "hf_standInSecret0123456789"
LFS_ENDINGS = (".parquet", ".arrow")


def blob_id(data: bytes) -> str:
    """Git's name for a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class File:
    """What a commit has under a path; large files are in the store by checksum."""

    data: bytes
    lfs: bool
    claimed: str = ""

    def as_json(self, path: str) -> dict[str, Any]:
        """What a listing says of it."""
        entry: dict[str, Any] = {
            "type": "file",
            "path": path,
            "size": len(self.data),
            "oid": blob_id(self.data),
        }
        if self.lfs:
            checksum = hashlib.sha256(self.data).hexdigest()
            entry["lfs"] = {"oid": checksum, "size": len(self.data), "pointerSize": 134}
        return entry


@dataclass
class Repo:
    """Branches and tags that point to commits; a commit is all its files."""

    private: bool = False
    commits: dict[str, dict[str, File]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    store: dict[str, bytes] = field(default_factory=dict)

    def commit(self, branch: str, files: dict[str, File]) -> str:
        """Move a branch to a new commit; returns its name."""
        text = f"{len(self.commits)}" + "".join(sorted(files))
        oid = hashlib.sha1(text.encode()).hexdigest()
        self.commits[oid] = files
        self.branches[branch] = oid
        return oid

    def resolve(self, revision: str) -> str | None:
        """The commit of a branch, a tag, or a commit."""
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        return oid if oid in self.commits else None


class Hub:
    """The server and its state; faults are set by the tests."""

    def __init__(self) -> None:
        self.repos: dict[str, Repo] = {}
        self.requests: Counter[str] = Counter()
        self.sent: list[str] = []
        self.flips: set[str] = set()
        self.dead_after: int | None = None
        self.refuses = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self.server.daemon_threads = True

    @property
    def url(self) -> str:
        """Its address, for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def files(self, repo_id: str, revision: str = "main") -> dict[str, bytes]:
        """Contents of a revision by path."""
        repo = self.repos[repo_id]
        oid = repo.resolve(revision)
        assert oid is not None
        return {path: file.data for path, file in repo.commits[oid].items()}

    def is_dead(self) -> bool:
        """Whether the connection breaks from now on."""
        return self.dead_after is not None and len(self.sent) >= self.dead_after


@contextmanager
def running() -> Iterator[Hub]:
    """A stand-in that serves until the end of the block."""
    hub = Hub()
    thread = threading.Thread(target=hub.server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.server.shutdown()
        hub.server.server_close()


def _handler_for(hub: Hub) -> type[BaseHTTPRequestHandler]:
    class Bound(_Handler):
        pass

    Bound.hub = hub
    return Bound


class _Refused(Exception):
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status, self.code = status, code


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def handle_any(self) -> None:
        body = self._body()
        path = unquote(urlsplit(self.path).path)
        try:
            self._check_token(path)
            for method, pattern, name in ROUTES:
                match = re.fullmatch(pattern, path)
                if match and self.command in method:
                    self.hub.requests[name] += 1
                    getattr(self, name)(body, *match.groups())
                    return
            self._json({"error": path}, 404, {"X-Error-Code": "EntryNotFound"})
        except _Refused as refusal:
            self._json({"error": str(refusal)}, refusal.status, {"X-Error-Code": refusal.code})

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any

    def _check_token(self, path: str) -> None:
        if self.hub.refuses:
            raise _Refused(self.hub.refuses, "", f"no, {self.headers.get('Authorization')}")
        needs = self.command in ("POST", "DELETE") and path.startswith("/api/")
        if needs and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            raise _Refused(401, "", "Invalid username or password.")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _json(
        self, value: object, status: int = 200, headers: dict[str, str] | None = None
    ) -> None:
        self._bytes(
            json.dumps(value).encode(),
            status,
            {"Content-Type": "application/json"} | (headers or {}),
        )

    def _bytes(self, data: bytes, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _repo(self, repo_id: str) -> Repo:
        if repo_id not in self.hub.repos:
            raise _Refused(404, "RepoNotFound", repo_id)
        return self.hub.repos[repo_id]

    def _at(self, repo_id: str, revision: str) -> tuple[Repo, str]:
        repo = self._repo(repo_id)
        oid = repo.resolve(revision)
        if oid is None:
            raise _Refused(404, "RevisionNotFound", revision)
        return repo, oid

    # --- repositories, branches, tags ---

    def create(self, body: bytes) -> None:
        asked = json.loads(body)
        repo_id = f"{asked['organization']}/{asked['name']}"
        url = f"{self.hub.url}/datasets/{repo_id}"
        if repo_id in self.hub.repos:
            self._json({"error": "You already created this dataset repo", "url": url}, 409)
            return
        repo = self.hub.repos[repo_id] = Repo(private=asked.get("visibility") == "private")
        repo.commit("main", {".gitattributes": File(b"*.parquet filter=lfs\n", lfs=False)})
        self._json({"url": url})

    def info(self, _: bytes, repo_id: str, revision: str | None = None) -> None:
        repo, oid = self._at(repo_id, revision or "main")
        siblings = [{"rfilename": path} for path in sorted(repo.commits[oid])]
        self._json({"id": repo_id, "sha": oid, "private": repo.private, "siblings": siblings})

    def branch(self, body: bytes, repo_id: str, name: str) -> None:
        repo = self._repo(repo_id)
        if name in repo.branches:
            raise _Refused(409, "", "Reference already exists")
        repo.branches[name] = repo.branches[json.loads(body or b"{}").get("startingPoint", "main")]
        self._json({})

    def tag(self, body: bytes, repo_id: str, revision: str) -> None:
        repo, oid = self._at(repo_id, revision)
        name = json.loads(body)["tag"]
        if name in repo.tags:
            raise _Refused(409, "", "Tag already exists")
        repo.tags[name] = oid
        self._json({})

    def refs(self, _: bytes, repo_id: str) -> None:
        repo = self._repo(repo_id)

        def listed(kind: str, refs: dict[str, str]) -> list[dict[str, str]]:
            return [
                {"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": oid}
                for name, oid in refs.items()
            ]

        self._json(
            {
                "branches": listed("heads", repo.branches),
                "tags": listed("tags", repo.tags),
                "converts": [],
            }
        )

    # --- files in ---

    def preupload(self, body: bytes, repo_id: str, revision: str) -> None:
        repo, oid = self._at(repo_id, revision)
        answer = []
        for file in json.loads(body)["files"]:
            there = repo.commits[oid].get(file["path"])
            lfs = file["path"].endswith(LFS_ENDINGS)
            entry = {
                "path": file["path"],
                "uploadMode": "lfs" if lfs else "regular",
                "shouldIgnore": False,
            }
            if there is not None:
                entry["oid"] = there.claimed if there.lfs else blob_id(there.data)
            answer.append(entry)
        self._json({"files": answer})

    def lfs_batch(self, body: bytes, repo_id: str) -> None:
        repo = self._repo(repo_id)
        objects = []
        for asked in json.loads(body)["objects"]:
            entry = {"oid": asked["oid"], "size": asked["size"]}
            if asked["oid"] not in repo.store:
                href = f"{self.hub.url}/lfs/{repo_id}/{asked['oid']}"
                entry["actions"] = {"upload": {"href": href, "header": {}}}
            objects.append(entry)
        self._json({"transfer": "basic", "objects": objects})

    def lfs_put(self, body: bytes, repo_id: str, oid: str) -> None:
        if self.hub.is_dead():
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        self.hub.sent.append(oid)
        self._repo(repo_id).store[oid] = body
        self._bytes(b"", 200, {})

    def commit(self, body: bytes, repo_id: str, revision: str) -> None:
        repo, oid = self._at(repo_id, revision)
        files = dict(repo.commits[oid])
        for line in body.splitlines():
            operation = json.loads(line)
            value = operation["value"]
            if operation["key"] == "header":
                if value.get("parentCommit", oid) != oid:
                    raise _Refused(412, "", "The branch has moved")
            elif operation["key"] == "file":
                files[value["path"]] = File(base64.b64decode(value["content"]), lfs=False)
            elif operation["key"] == "lfsFile":
                data = self._stored(repo, value["path"], value["oid"])
                files[value["path"]] = File(data, lfs=True, claimed=value["oid"])
            elif operation["key"] == "deletedFile":
                del files[value["path"]]
            else:
                raise _Refused(400, "", operation["key"])
        new = repo.commit(revision, files)
        url = f"{self.hub.url}/datasets/{repo_id}/commit/{new}"
        self._json({"commitUrl": url, "commitOid": new, "success": True})

    def _stored(self, repo: Repo, path: str, oid: str) -> bytes:
        data = bytearray(repo.store[oid])
        if path in self.hub.flips:
            data[len(data) // 2] ^= 1
        return bytes(data)

    def validate_yaml(self, body: bytes) -> None:
        import yaml

        front = json.loads(body)["content"].split("---\n")[1]
        self._json({"errors": [], "warnings": [] if yaml.safe_load(front) else [{"message": "?"}]})

    # --- files out ---

    def tree(self, _: bytes, repo_id: str, revision: str, under: str | None = None) -> None:
        repo, oid = self._at(repo_id, revision)
        prefix = f"{under.strip('/')}/" if under and under.strip("/") else ""
        recursive = "recursive" in parse_qs(urlsplit(self.path).query) and (
            parse_qs(urlsplit(self.path).query)["recursive"][0].lower() in ("1", "true")
        )
        entries, folders = [], set()
        for path, file in sorted(repo.commits[oid].items()):
            if not path.startswith(prefix):
                continue
            parts = path[len(prefix) :].split("/")
            ends = range(1, len(parts) if recursive else min(2, len(parts)))
            folders |= {prefix + "/".join(parts[:end]) for end in ends}
            if recursive or len(parts) == 1:
                entries.append(file.as_json(path))
        if under and not entries and not folders:
            raise _Refused(404, "EntryNotFound", under)
        listed = [
            {"type": "directory", "path": path, "oid": "0" * 40, "size": 0}
            for path in sorted(folders)
        ]
        self._json(listed + entries)

    def paths_info(self, body: bytes, repo_id: str, revision: str) -> None:
        repo, oid = self._at(repo_id, revision)
        files = repo.commits[oid]
        answer = []
        for path in parse_qs(body.decode()).get("paths", []):
            if path in files:
                answer.append(files[path].as_json(path))
            elif any(name.startswith(f"{path}/") for name in files):
                answer.append({"type": "directory", "path": path, "oid": "0" * 40, "size": 0})
        self._json(answer)

    def resolve(self, _: bytes, repo_id: str, revision: str, path: str) -> None:
        repo, oid = self._at(repo_id, revision)
        file = repo.commits[oid].get(path)
        if file is None:
            raise _Refused(404, "EntryNotFound", path)
        etag = hashlib.sha256(file.data).hexdigest() if file.lfs else blob_id(file.data)
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": oid, "Accept-Ranges": "bytes"}
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range") or "")
        if wanted:
            start, end = int(wanted[1]), int(wanted[2] or len(file.data) - 1)
            size = len(file.data)
            headers["Content-Range"] = f"bytes {start}-{min(end, size - 1)}/{size}"
            self._bytes(file.data[start : end + 1], 206, headers)
            return
        self._bytes(file.data, 200, headers)


REPO = r"([^/]+/[^/]+)"
REV = r"(.+)"
ROUTES = (
    (("POST",), "/api/repos/create", "create"),
    (("POST",), "/api/validate-yaml", "validate_yaml"),
    (("POST",), f"/api/datasets/{REPO}/branch/{REV}", "branch"),
    (("POST",), f"/api/datasets/{REPO}/tag/{REV}", "tag"),
    (("GET",), f"/api/datasets/{REPO}/refs", "refs"),
    (("POST",), f"/api/datasets/{REPO}/preupload/{REV}", "preupload"),
    (("POST",), f"/api/datasets/{REPO}/commit/{REV}", "commit"),
    (("POST",), f"/api/datasets/{REPO}/paths-info/{REV}", "paths_info"),
    (("GET",), f"/api/datasets/{REPO}/tree/([^/]+)(/.*)?", "tree"),
    (("GET",), f"/api/datasets/{REPO}/revision/{REV}", "info"),
    (("GET",), f"/api/datasets/{REPO}", "info"),
    (("POST",), f"/datasets/{REPO}.git/info/lfs/objects/batch", "lfs_batch"),
    (("PUT",), f"/lfs/{REPO}/([0-9a-f]+)", "lfs_put"),
    (("GET", "HEAD"), f"/datasets/{REPO}/resolve/([^/]+)/(.+)", "resolve"),
)
