"""Debian's packages: downloaded and unpacked below a folder, installed nowhere."""

import os
import re
import shutil
import subprocess

from problem import UNAVAILABLE, Problem


class Package:
    """An unpacked package: its name, version and the folder that holds its files."""

    def __init__(self, name, version, root):
        self.name, self.version, self.root = name, version, root

    def path(self, path):
        return os.path.join(self.root, path)

    def copyright(self):
        return self.path(f"usr/share/doc/{self.name}/copyright")


class Packages:
    def __init__(self, folder):
        self.folder = folder
        os.makedirs(folder, exist_ok=True)

    def get(self, name, paths):
        """The package with the files below PATHS; a package that is in the folder is not downloaded again."""
        archive = self.archive(name) or self.download(name)
        version = subprocess.run(["dpkg-deb", "--field", archive, "Version"], capture_output=True, text=True).stdout.strip()
        root = os.path.splitext(archive)[0]
        if not os.path.isdir(root):
            self.unpack(archive, root, [*paths, f"usr/share/doc/{name}"])
        return Package(name, version, root)

    def archive(self, name):
        found = sorted(file for file in os.listdir(self.folder) if re.fullmatch(re.escape(name) + r"_[^_]+_[^_]+\.deb", file))
        return os.path.join(self.folder, found[-1]) if found else None

    def download(self, name):
        # A file is moved to its place when apt-get has checked its hash, so that one which is there is whole.
        partial = os.path.join(self.folder, "partial")
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial)
        print(f"downloading {name}", flush=True)
        # Run as root, apt-get would download as a user that may not write here, and warn.
        result = subprocess.run(
            ["apt-get", "download", "-qq", "-o", "APT::Sandbox::User=root", name], cwd=partial, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, env={**os.environ, "LC_ALL": "C"},
        )
        files = [file for file in os.listdir(partial) if file.endswith(".deb")]
        if result.returncode or len(files) != 1:
            reason = next((line[2:].strip() for line in result.stderr.splitlines() if line.startswith("E:")), "apt-get downloaded no file")
            raise Problem(
                UNAVAILABLE, f"package {name} cannot be had: {reason.rstrip('.')}; check the network, and run `apt-get update` as root where the "
                "list of packages is missing or old")
        target = os.path.join(self.folder, files[0])
        os.rename(os.path.join(partial, files[0]), target)
        os.rmdir(partial)
        return target

    def unpack(self, archive, root, paths):
        partial = root + ".partial"
        shutil.rmtree(partial, ignore_errors=True)
        os.makedirs(partial)
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
            tar = subprocess.run(
                ["tar", "-x", "--no-same-owner", "-f", "-", "-C", partial, *(f"./{path}" for path in paths)], stdin=reader.stdout,
                capture_output=True, text=True)
            damage = reader.stderr.read().decode(errors="replace").strip()
        if tar.returncode or reader.returncode:
            shutil.rmtree(partial)
            text = (damage or tar.stderr.strip()).splitlines()
            raise Problem(
                UNAVAILABLE,
                f"{archive}: cannot be unpacked ({text[0] if text else 'no reason given'}); make room, or delete it to download it again")
        os.rename(partial, root)
