"""Stand-in for node_exporter: load, memory, processor and disk of this machine, read from the real /proc."""

import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from aiwfe.noise import exporter_lines, make_noise

from stand_ins.exporter import Sample, export

MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
MEMORY = ("MemTotal", "MemFree", "MemAvailable", "Buffers", "Cached", "SwapTotal", "SwapFree")


def read() -> Iterator[Sample]:
    """The machine now."""
    yield Sample("node_exporter_build_info", 1, (("version", "stand-in"),))
    for minutes, load in zip((1, 5, 15), Path("/proc/loadavg").read_text().split(), strict=False):
        yield Sample(f"node_load{minutes}", float(load))
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, size = line.partition(":")
        if name in MEMORY:
            yield Sample(f"node_memory_{name}_bytes", float(size.split()[0]) * 1024)
    yield from processors()
    disk = shutil.disk_usage("/")
    yield Sample("node_filesystem_size_bytes", disk.total, (("mountpoint", "/"),))
    yield Sample("node_filesystem_avail_bytes", disk.free, (("mountpoint", "/"),))


def processors() -> Iterator[Sample]:
    """Seconds of each processor in each mode; /proc/stat counts in ticks."""
    ticks = os.sysconf("SC_CLK_TCK")
    for line in Path("/proc/stat").read_text().splitlines():
        name, *counts = line.split()
        if name.startswith("cpu") and name != "cpu":
            for mode, count in zip(MODES, counts, strict=False):
                yield Sample("node_cpu_seconds_total", int(count) / ticks, (("cpu", name[3:]), ("mode", mode)))


if __name__ == "__main__":
    noise = partial(make_noise, os.environ, exporter_lines)
    export("node_exporter", "node_exporter, small, on the real /proc", "node_up", read, noise)
