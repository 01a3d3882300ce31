# SPDX-License-Identifier: Apache-2.0
"""Our NVML against NVIDIA's: what both headers compile to, what both libraries answer without a driver."""
import os
import re
import subprocess
import tempfile

import vendor

ROOT = os.path.dirname(os.path.dirname(vendor.HERE))
OURS = ["abi/nvml.h", "abi/nvml_more.h"]
# Counts of what a newer driver has more of.
GROWN = {"NVML_GPU_INSTANCE_PROFILE_COUNT", "NVML_COMPUTE_INSTANCE_PROFILE_COUNT", "NVML_SAMPLINGTYPE_COUNT",
         "NVML_GPM_METRIC_MAX"}
# Ends with as many metrics as its driver knows.
GROWN_SHAPES = {"nvmlGpmMetricsGet_t"}


def without_comments(path):
    with open(path, encoding="utf-8") as file:
        return re.sub(r"/\*.*?\*/|//[^\n]*", " ", file.read(), flags=re.DOTALL)


def structs(text):
    """The fields of each struct and union, by name."""
    found = {}
    for kind, body, name in re.findall(r"typedef (struct|union)(?:\s+\w+)?\s*\{([^{}]*)\}\s*(\w+);", text):
        fields = re.findall(r"(\w+)\s*(?:\[[^\]]*\])*;", body)
        found[name] = fields
    return found


def constants(text):
    enums = [body for body in re.findall(r"typedef enum[^{]*\{([^{}]*)\}", text)]
    names = set(re.findall(r"\b(NVML_\w+)\b\s*(?:=[^,]*)?(?:,|$)", ",".join(enums)))
    names |= set(re.findall(r"#define\s+(NVML_[A-Z0-9_]+)\s+\S", text))
    return names | set(re.findall(r"#define\s+(nvml(?:Event|Clocks)\w+)\s+\S", text))


def sizes(include, folder, shapes, numbers):
    """What the compiler makes of them, one line each."""
    lines = [f'#include "{include}"', "#include <stddef.h>", "#include <stdio.h>", "int main(void) {"]
    for name, fields in sorted(shapes.items()):
        lines.append(f'printf("{name} %zu\\n", sizeof({name}));')
        lines += [f'printf("{name}.{field} %zu %zu\\n", offsetof({name}, {field}), sizeof((({name} *)0)->{field}));'
                  for field in fields]
    lines += [f'printf("{name} %lld\\n", (long long)({name}));' for name in sorted(numbers)]
    with tempfile.TemporaryDirectory(prefix="carve-vendor-") as work:
        with open(f"{work}/main.c", "w", encoding="utf-8") as file:
            file.write("\n".join([*lines, "}\n"]))
        compiler = os.environ["CARVE_TEST_CC"].split()
        done = subprocess.run([*compiler, "-w", "-I", folder, "-o", f"{work}/main", f"{work}/main.c"],
                              capture_output=True, text=True)
        assert done.returncode == 0, f"with {include} of {folder}:\n{done.stderr}"
        return subprocess.run([f"{work}/main"], capture_output=True, text=True, check=True).stdout.splitlines()


def claim_sizes_offsets_and_constants_are_those_of_nvidias_header(root):
    ours = "".join(without_comments(f"{ROOT}/src/{path}") for path in OURS)
    theirs = without_comments(f"{root}/usr/include/nvml.h")
    known = set(re.findall(r"\w+", theirs))
    # Newer drivers have more fields and constants, never fewer.
    their_shapes = structs(theirs)
    shapes = {name: their_shapes[name] for name in structs(ours)
              if name in their_shapes and name not in GROWN_SHAPES}
    numbers = {name for name in constants(ours) if name in known and name not in GROWN}
    assert len(shapes) > 30 and len(numbers) > 230, f"{len(shapes)} structs, {len(numbers)} constants"
    mine = sizes("abi/nvml_more.h", f"{ROOT}/src", shapes, numbers)
    wanted = sizes("nvml.h", f"{root}/usr/include", shapes, numbers)
    different = [f"{a}, NVIDIA: {b}" for a, b in zip(mine, wanted) if a != b]
    assert not different, "\n".join(different)


def nvidias_library(root):
    folder = f"{root}/usr/lib/x86_64-linux-gnu/nvidia/current"
    return next(f"{folder}/{name}" for name in os.listdir(folder) if re.match(r"libnvidia-ml\.so\.\d+\.\d+", name))


def names(path):
    out = subprocess.run(["nm", "-D", "--defined-only", path], check=True, capture_output=True, text=True).stdout
    return {line.split()[-1].split("@")[0] for line in out.splitlines() if " T nvml" in line}


# Calls everything with NULLs, and asks for the words of every code.
ASK = """
import ctypes, sys
library = ctypes.CDLL(sys.argv[1])
for name in sys.argv[2:]:
    function = getattr(library, name)
    print(name, function(*[None] * 6), flush=True)
library.nvmlErrorString.restype = ctypes.c_char_p
for code in [*range(28), 999, 1000]:
    print(code, library.nvmlErrorString(code).decode())
"""


def claim_every_name_of_nvidias_own_library_is_in_ours(root):
    missing = names(nvidias_library(root)) - names(vendor.LIBRARY)
    assert not missing, f"not exported: {' '.join(sorted(missing))}"


def claim_without_init_every_call_answers_as_nvidias_library(root):
    library = nvidias_library(root)
    asked = sorted(name for name in names(library) if not re.match(r"nvmlInit|nvmlErrorString|nvmlInternal", name))
    with vendor.Node("a30x2") as node:
        theirs, ours = (node.run("/usr/bin/python3", "-c", ASK, path, *asked) for path in (library, vendor.LIBRARY))
    assert theirs[1] == ours[1] == 0, f"{theirs}\n{ours}"
    different = [f"{a}, NVIDIA: {b}" for a, b in zip(ours[0].splitlines(), theirs[0].splitlines()) if a != b]
    assert not different, "\n".join(different)


vendor.main(globals())
