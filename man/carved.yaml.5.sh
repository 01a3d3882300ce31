#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints carved.yaml(5) for scdoc, from the commented configuration: carved.yaml.5.sh FILE
set -eu
cat <<'END'
carved.yaml(5)

# NAME

carved.yaml - configuration of carved

# SYNOPSIS

/etc/carve/carved.yaml

# DESCRIPTION

The file need not be there: without it, and for each key that is missing, the defaults hold. *carve
reload* takes up a change; *carved --check* says whether a file is good. A file with a mistake is refused
whole, with its line, and what was in force stays in force.

All keys, with their defaults:

```
END
sed -n '/^# GPUs that Carve/,$p' "$1"
cat <<'END'
```

# SEE ALSO

*carved*(8), *carve*(1)
END
