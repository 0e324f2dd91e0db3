#!/usr/bin/env python3
"""Runs what the documents tell people to type, as it stands: the console blocks of README.md, the examples of every
`cairn ... --help`, and the example requests of openapi.json, against the built programs in a scratch folder.

usage: run_examples.py --source DIR --cairn FILE --cairnd FILE [--only WORDS]

What is different from a reader's machine: the server listens on a port of its own (CAIRN_URL tells `cairn`, and
7077 is replaced in curl's addresses), ~ and /var/lib and /etc/cairn lie in the scratch folder, and files that an
example names are made first. `cannot_run.txt` beside this file lists the commands that are only looked at, each with
its reason; a line of it that no document has is an error too. Every command must end with exit code 0.
"""
import argparse
import gzip
import json
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
COMMAND_SECONDS = 600


def readme_commands(text):
    """Of ```console blocks: what stands behind "$ ", with its continued lines, without remarks."""
    commands = []
    for block in re.findall(r"```console\n(.*?)```", text, re.S):
        for line in re.findall(r"^\$ (.*(?:\\\n.*)*)((?:\n(?!\$ ).*)*)", block, re.M):
            command, rest = line[0], line[1].splitlines()[1:]
            while command.count("'") % 2 == 1 and rest:  # what stands in quotes may go on
                command += "\n" + rest.pop(0)
            commands.append(re.sub(r"\s+# .*$", "", command).strip())
    return commands


def readme_toml(text):
    return re.findall(r"```toml\n(.*?)```", text, re.S)


def help_pages(cairn, path=()):
    text = subprocess.run([cairn, *path, "--help"], capture_output=True, text=True, check=True).stdout
    yield path, text
    listed = re.search(r"^(?:SUBCOMMANDS|Subcommands|Commands):\n((?:  .*\n|\n)*)", text, re.M)
    for name in re.findall(r"^  ([a-z][a-z-]*)\s", listed.group(1) if listed else "", re.M):
        yield from help_pages(cairn, (*path, name))


def help_commands(text):
    found = re.search(r"^Examples:\n((?:  .*(?:\n|\Z))+)", text, re.M)
    lines = found.group(1).splitlines() if found else []
    return [re.sub(r"\s+# .*$", "", line).strip() for line in lines]


def openapi_requests(document):
    """(method, path, body) of every example of a request."""
    for path, methods in document["paths"].items():
        for method, call in methods.items():
            for kind, content in call.get("requestBody", {}).get("content", {}).items():
                examples = [content["example"]] if "example" in content else []
                examples += [one["value"] for one in content.get("examples", {}).values()]
                for example in examples:
                    yield method.upper(), path, kind, example


def exceptions():
    """Lines "COMMAND  ## REASON"; a command may end with an asterisk, for all that begin so."""
    all_of_them = {}
    for line in (HERE / "cannot_run.txt").read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            command, reason = line.split("  ## ")
            all_of_them[command.strip()] = reason.strip()
    return all_of_them


class Scratch:
    """A folder with what the examples name, a daemon on it, and a shell in it."""

    def __init__(self, arguments):
        self.source = pathlib.Path(arguments.source)
        self.cairn = pathlib.Path(arguments.cairn).resolve()
        self.cairnd = pathlib.Path(arguments.cairnd).resolve()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="cairn-examples-"))
        self.port = self.free_port()
        self.daemon = None
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "cairn").symlink_to(self.cairn)
        (programs / "cairnd").symlink_to(self.cairnd)
        # Nobody becomes another user here.
        (programs / "sudo").write_text('#!/bin/sh\nshift 2\nexec "$@"\n')
        (programs / "sudo").chmod(0o755)
        self.environment = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "HOME": str(self.folder / "home"),
            "CAIRN_URL": f"http://127.0.0.1:{self.port}",
            "LC_ALL": "C.UTF-8",
        }

    @staticmethod
    def free_port():
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            return one.getsockname()[1]

    def make_files(self):
        f = self.folder
        (f / "home").mkdir()
        (f / "var" / "cairn-models").mkdir(parents=True)
        self.must("cairn dataset generate --seed 7 --users 200 --places 300 --events 8000 --end 2024-05-20T00:00:00Z --out city")
        city = f / "city"
        events = (city / "interactions.ndjson").read_text().splitlines()
        # Who is asked for by name is among them.
        events = [line.replace(json.loads(line)["user_id"], "ann") if i % 50 == 0 else line
                  for i, line in enumerate(events)]
        places = [json.loads(line) for line in (city / "places.ndjson").read_text().splitlines()]
        with open(f / "places.ndjson", "w") as out:
            for place in places + [{"place_id": name, "name": name, "lat": 40.7, "lon": -74.0, "category": category}
                                   for name, category in (("p42", "Coffee Shop"), ("p43", "Tea Room"), ("p1", "bakery"),
                                                          ("p44", "Ice Cream Parlor"), ("p45", "Frozen Yogurt"),
                                                          ("p46", "Bookshop"), ("p47", "Stationer"))]:
                place["attributes"] = {"price": 15, "cuisine": ["thai"], "vegan": True, "smoking": False,
                                       "opening_hours": "Mo-Su 08:00-23:00"}
                out.write(json.dumps(place) + "\n")
        with gzip.open(f / "places.ndjson.gz", "wt") as out:
            out.write((f / "places.ndjson").read_text())
        with open(f / "places.csv", "w") as out:
            out.write("place_id,name,lat,lon,category\n")
            for place in places:
                out.write("%s,\"%s\",%s,%s,%s\n" % (place["place_id"], place["name"], place["lat"], place["lon"],
                                                   place["category"]))
        (f / "closed.txt").write_text("".join(place["place_id"] + "\n" for place in places[-3:]))
        (f / "shops.csv").write_text("id,title,latitude,longitude,owner\ns1,Corner,40.7,-74.0,Eve\n")
        (f / "cafes.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": [
            {"type": "Feature", "geometry": {"type": "Point", "coordinates": [-74.0, 40.7]},
             "properties": {"place_id": "g1", "name": "Caf\u00e9", "category": "Caf\u00e9"}}]}, ensure_ascii=False),
            encoding="latin1")
        (f / "restaurants.geojson").write_bytes((f / "cafes.geojson").read_bytes().decode("latin1").encode())
        # What is retracted and replaced.
        for name in ("e42", "e43", "e44"):
            events.append(json.dumps({"user_id": "u1", "place_id": "p42", "type": "visit", "ts": 1716163200000,
                                      "event_id": name}))
        (f / "events.ndjson").write_text("\n".join(events[:3000]) + "\n")
        with gzip.open(f / "events.ndjson.gz", "wt") as out:
            out.write("\n".join(events) + "\n")
        (f / "wrong.json").write_text(events[-1])
        (f / "right.json").write_text(events[-1].replace("p42", "p43"))
        (f / "export.csv").write_text("customer_id,place_id,type,when\nc1,p1,checkin,1714564800000\n")
        (f / "log.csv").write_text("customer_id,place_id,type,when\nc1,p1,checkin,1714564800\n")
        for name in ("requests.ndjson", "bodies.ndjson"):
            (f / name).write_text('{"user_id":"u1","lat":40.73,"lon":-74.0}\n')
        self.make_item_sets()
        for name in ("2024-05-01", "2025-01-01"):
            self.must(f"cairn train --kind popularity --events events.ndjson --out /var/lib/cairn-models/{name}")

    def must(self, command):
        code, said = self.shell(command)
        if code != 0:
            sys.exit(f"{command}: exit code {code}\n{said}")

    def make_item_sets(self):
        """Lines "USER ITEM ITEM ...": what each user was at first, then, and last."""
        had = {}
        for line in gzip.open(self.folder / "events.ndjson.gz", "rt"):
            event = json.loads(line)
            had.setdefault(event["user_id"], {})[event["place_id"]] = None
        lines = {"train": [], "valid": [], "test": []}
        for user, items in had.items():
            items = list(items)
            if len(items) < 3:
                continue
            for part, some in (("train", items[:-2]), ("valid", items[-2:-1]), ("test", items[-1:])):
                lines[part].append(" ".join([user, *some]))
        for part, text in lines.items():
            with gzip.open(self.folder / f"{part}.txt.gz", "wt") as out:
                out.write("\n".join(text) + "\n")

    def start_postgres(self):
        """A cluster of its own, where libpq looks when it is told no host."""
        tool = f"{self.source.resolve()}/tools/dev postgres"
        self.must(f"{tool} up --unsafe-fast --dir {self.folder}/postgres")
        self.must(f"{tool} psql --dir {self.folder}/postgres -- -c 'CREATE DATABASE app'")
        dsn = dict(one.split("=", 1) for one in self.shell(f"{tool} dsn --dir {self.folder}/postgres")[1].split())
        self.environment.update({"PGHOST": dsn["host"], "PGPORT": dsn["port"]})
        self.must("psql -U cairn -d app -c 'CREATE EXTENSION postgis'")

    def start(self):
        f = self.folder
        (f / "etc" / "cairn").mkdir(parents=True)
        self.start_postgres()
        (f / "cairn.toml").write_text(
            f'[state]\ndir = "{f}/var/cairn"\nfree_min = "1MiB"\n[http]\nlisten = "127.0.0.1:{self.port}"\n'
            f'[model]\nroot = "{f}/var/cairn-models"\n'
            '[sql]\ndsn = "dbname=app user=cairn"\n'
            '[mapping.fields]\ncustomer_id = "user_id"\nwhen = "ts"\n[mapping.types]\ncheckin = "visit"\n'
            '[[attribute]]\nname = "opening_hours"\ntype = "hours"\n')
        shutil.copy(f / "cairn.toml", f / "etc" / "cairn" / "cairn.toml")
        self.daemon = subprocess.Popen([self.cairnd, "--config", f / "cairn.toml"], cwd=f, env=self.environment,
                                       stdout=subprocess.DEVNULL, stderr=open(f / "cairnd.log", "w"))
        for _ in range(600):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/healthz", timeout=5)
                return
            except OSError:
                if self.daemon.poll() is not None:
                    break
                time.sleep(0.1)
        sys.exit("cairnd did not start:\n" + (f / "cairnd.log").read_text())

    def here(self, command):
        """The command with the addresses and folders of this scratch."""
        command = command.replace("localhost:7077", f"127.0.0.1:{self.port}")
        command = command.replace("127.0.0.1:7077", f"127.0.0.1:{self.port}")
        command = command.replace("/var/lib/", f"{self.folder}/var/").replace("/etc/", f"{self.folder}/etc/")
        return command.replace(" /backup/", f" {self.folder}/backup/")

    def shell(self, command):
        """Returns: the exit code, and what was written."""
        done = subprocess.run(["bash", "-o", "pipefail", "-c", self.here(command)], cwd=self.folder,
                              env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=COMMAND_SECONDS, errors="replace")
        return done.returncode, done.stdout

    def request(self, method, path, kind, body):
        text = body if isinstance(body, str) else json.dumps(body)
        asked = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", text.encode(), {"content-type": kind},
                                       method=method)
        try:
            with urllib.request.urlopen(asked, timeout=COMMAND_SECONDS) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            return refused.code, refused.read().decode()

    def close(self):
        if self.daemon is not None:
            self.daemon.terminate()
            self.daemon.wait(60)
        self.shell(f"{self.source.resolve()}/tools/dev postgres down --purge --dir {self.folder}/postgres")
        shutil.rmtree(self.folder, ignore_errors=True)


class Outcome:
    def __init__(self, only):
        self.only = only
        self.except_for = exceptions()
        self.unused = set(self.except_for)
        self.failures = []
        self.ran = 0

    def reason_not_to(self, command):
        for pattern, reason in self.except_for.items():
            if command == pattern or (pattern.endswith("*") and command.startswith(pattern[:-1])):
                self.unused.discard(pattern)
                return reason
        return None

    def run(self, where, command, run):
        if self.reason_not_to(command) is not None or (self.only and self.only not in command):
            return
        self.ran += 1
        print(f"{where}: {command}", file=sys.stderr, flush=True)
        try:
            ok, said = run()
        except subprocess.TimeoutExpired:
            ok, said = False, f"took longer than {COMMAND_SECONDS} s"
        if not ok:
            print("    failed", file=sys.stderr, flush=True)
            self.failures.append(f"{where}: {command}\n    " + said.strip()[-1500:].replace("\n", "\n    "))

    def end(self):
        for unused in sorted(self.unused if not self.only else []):
            self.failures.append(f"cannot_run.txt: no document says: {unused}")
        print("\n".join(self.failures))
        print(f"{self.ran} examples ran, {len(self.failures)} problems")
        return 1 if self.failures else 0


def run_toml(scratch, block):
    file = scratch.folder / "block.toml"
    file.write_text(block)
    code, said = scratch.shell("cairnd --config block.toml --check-config")
    return code == 0, said


def main():
    parser = argparse.ArgumentParser()
    for name in ("source", "cairn", "cairnd"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    scratch = Scratch(arguments)
    outcome = Outcome(arguments.only)
    readme = (scratch.source / "README.md").read_text()
    openapi = json.loads((scratch.source / "engine/serving/api/openapi.json").read_text())
    try:
        scratch.make_files()
        scratch.start()

        def shell(command):
            code, said = scratch.shell(command)
            return code == 0, f"exit code {code}\n{said}"

        for command in readme_commands(readme):
            outcome.run("README.md", command, lambda c=command: shell(c))
        for block in readme_toml(readme):
            outcome.run("README.md", "toml: " + block.strip().splitlines()[0], lambda b=block: run_toml(scratch, b))
        # What the README deletes, the examples of the help ask for.
        scratch.shell("cairn places import places.ndjson && cairn ingest events.ndjson.gz && cairn wait")
        for path, text in help_pages(str(scratch.cairn)):
            for command in help_commands(text):
                outcome.run("cairn " + " ".join(path) + " --help", command, lambda c=command: shell(c))
        scratch.shell("cairn places import places.ndjson && cairn wait")
        for method, path, kind, example in openapi_requests(openapi):
            def ask(m=method, p=path, k=kind, e=example):
                code, said = scratch.request(m, p, k, e)
                return code in (200, 202), f"answered {code}\n{said}"
            outcome.run("openapi.json", f"{method} {path}", ask)
    finally:
        scratch.close()
    return outcome.end()


if __name__ == "__main__":
    sys.exit(main())
