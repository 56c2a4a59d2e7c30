#!/bin/sh
# Renew the pinned requirements, with hashes: run from the project's root; needs uv.
set -eu
for target in scorer:3.9 worker:3.11 push:3.9 codabench:3.11; do
    name=${target%:*} python=${target#*:}
    uv pip compile "docker/requirements-$name.in" --universal --python-version "$python" \
        --generate-hashes --no-header --no-annotate --only-binary :all: \
        --output-file "docker/requirements-$name.txt" "$@"
done
