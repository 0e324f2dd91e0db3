#!/usr/bin/env python3
"""Exact top-k by PyTorch on the device that bench_device ran on, on the same numbers: mm in fp16, a mask, topk.

    peer.py --lines FILE --answers FILE --rows N --dim D

Reads the JSON lines of bench_device and prints them again with the peer's milliseconds, the ratio (above 1: ours is
faster) and `roofline_share`: the time in which the device reads what one pass reads, at the speed that it reads memory
with in this run, divided by ours. Checks the rows that top-k found for the first queries. Ends with 3 when there is no
PyTorch or no device for it, and with 1 when rows are wrong.
"""

import argparse
import json
import sys

try:
    import torch
except ImportError:
    sys.exit((sys.stderr.write("peer.py: PyTorch is missing: pip install torch\n"), 3)[1])

BEST = 100
QUERIES_MAX = 1024
EXCLUDED = 50
SHOWN_QUERIES = 8
QUERY_SEED = 0xA5A5A5A5
PIECE = 1 << 20
WORD = 0xFFFFFFFF


def mixed(x):
    """As mixed() of bench/device_bench.cc, of 32-bit numbers in 64-bit ones."""
    x = x ^ (x >> 16)
    x = (x * 0x7FEB352D) & WORD
    x = x ^ (x >> 15)
    x = (x * 0x846CA68B) & WORD
    return x ^ (x >> 16)


def values(first, count, device):
    """As item_value() of bench/device_bench.cc."""
    numbers = (torch.arange(first, first + count, dtype=torch.int64, device=device)) & WORD
    return (mixed(numbers) >> 8).to(torch.float32) * 2.0**-24 - 0.5


def rows_of(begin, end, dim, device):
    return values(begin * dim, (end - begin) * dim, device).view(-1, dim)


def make_items(rows, dim, device):
    items = torch.empty((rows, dim), dtype=torch.float16, device=device)
    step = max(1, PIECE * 16 // dim)
    for begin in range(0, rows, step):
        end = min(rows, begin + step)
        items[begin:end] = rows_of(begin, end, dim, device).half()
    return items


def milliseconds(call, device, runs):
    """Of the fastest of some runs, after two to warm up."""
    import time

    best = float("inf")
    for run in range(runs + 2):
        torch.cuda.synchronize(device) if device.type == "cuda" else None
        start = time.perf_counter()
        call()
        torch.cuda.synchronize(device) if device.type == "cuda" else None
        if run >= 2:
            best = min(best, 1e3 * (time.perf_counter() - start))
    return best


def bytes_a_second(device, size):
    """How fast the device reads memory: the better of a sum, which only reads, and a copy, which writes as much."""
    data = torch.zeros(size // 4, dtype=torch.float32, device=device)
    other = torch.empty_like(data)
    read = data.numel() * 4 / (1e-3 * milliseconds(lambda: data.sum(), device, 5))
    copied = 2 * data.numel() * 4 / (1e-3 * milliseconds(lambda: other.copy_(data), device, 5))
    return max(read, copied)


class Peer:
    def __init__(self, rows, dim, device):
        self.rows, self.dim, self.device = rows, dim, device
        self.items = make_items(rows, dim, device)
        self.queries = values(QUERY_SEED, QUERIES_MAX * dim, device).view(-1, dim)
        numbers = torch.arange(QUERIES_MAX * EXCLUDED, dtype=torch.int64, device=device)
        self.excluded = (mixed(numbers) % rows).view(QUERIES_MAX, EXCLUDED)
        # Bit r % 64 of words of 0x7F7F…: every eighth row is left out.
        self.banned = torch.arange(rows, device=device) % 8 == 7

    def top_k(self, batch):
        """The best of each query: as many at once as keep the matrix of scores below 4 GiB."""
        at_once = max(1, min(batch, (4 << 30) // (2 * self.rows)))
        parts = []
        for begin in range(0, batch, at_once):
            end = min(batch, begin + at_once)
            scores = torch.mm(self.queries[begin:end].half(), self.items.t())
            scores.masked_fill_(self.banned, float("-inf"))
            scores.scatter_(1, self.excluded[begin:end], float("-inf"))
            parts.append(scores.topk(BEST, dim=1).indices)
        return torch.cat(parts)

    def wrong_rows(self, answers):
        """How many of the rows that were found do not belong there, by scores in fp32 and up to its rounding."""
        wrong = 0
        step = max(1, PIECE * 16 // self.dim)
        for q in range(answers.shape[0]):
            scores = torch.cat(
                [
                    (rows_of(b, min(self.rows, b + step), self.dim, self.device).double() @ self.queries[q].double())
                    for b in range(0, self.rows, step)
                ]
            )
            scores[self.banned] = float("-inf")
            scores[self.excluded[q]] = float("-inf")
            least = scores.topk(BEST).values[-1]
            found = answers[q]
            wrong += int((scores[found] < least - 1e-5).sum()) + BEST - int(found.unique().numel())
        return wrong


def read_answers(path, device):
    with open(path, "rb") as file:
        raw = torch.frombuffer(bytearray(file.read()), dtype=torch.int32)
    return raw.view(SHOWN_QUERIES, BEST).to(torch.int64).to(device)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", required=True)
    parser.add_argument("--answers", required=True)
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--dim", type=int, required=True)
    parser.add_argument("--device", default="cuda", help="cpu: only to try the script")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.stderr.write("peer.py: PyTorch " + torch.__version__ + " sees no CUDA device\n")
        return 3
    device = torch.device(arguments.device)
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    with open(arguments.lines, encoding="utf-8") as file:
        cases = [json.loads(line) for line in file if line.startswith("{")]

    peer = Peer(arguments.rows, arguments.dim, device)
    wrong = peer.wrong_rows(read_answers(arguments.answers, device))
    print(json.dumps({"bench": "device", "case": "rows of top-k that are wrong", "unit": "rows", "value": wrong}))
    speed = bytes_a_second(device, min(8 << 30, 64 * arguments.rows))
    print(json.dumps({"bench": "device", "case": "memory of " + name, "unit": "GB/s", "value": round(speed / 1e9, 1)}))
    peers = {batch: milliseconds(lambda b=batch: peer.top_k(b), device, 3) for batch in (64, 1024)}
    passes = {c["case"].split(" bytes of")[0]: c["value"] for c in cases if c["unit"] == "bytes"}
    for case in cases:
        if case["unit"] != "ms":
            continue
        what = case["case"].split(" n=")[0]
        batch = int(case["case"].split("batch=")[1].split()[0])
        case["peer"] = "torch " + torch.__version__ + " mm+topk fp16"
        case["peer_value"] = round(peers[batch], 4)
        case["ratio"] = round(peers[batch] / case["value"], 3)
        if what in passes:
            case["roofline_share"] = round(1e3 * passes[what] / speed / case["value"], 3)
        print(json.dumps(case), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
