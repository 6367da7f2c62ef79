#!/bin/bash
# All checks that need no running code, each to its end, so that one run shows every problem.
set -u
cd "$(dirname "$0")/.." || exit 1
failed=()

step() {
    local name="$1"
    shift
    echo "== $name"
    "$@" || failed+=("$name")
}

build_package() {
    rm -rf build/dist && python -m build --outdir build/dist . >build.log 2>&1 || { cat build.log; rm -f build.log; return 1; }
    rm -f build.log
    twine check --strict build/dist/* && python scripts/check_package.py build/dist
}

step "format" ruff format --check .
step "lint" ruff check .
step "mypy" mypy
step "mypy, as a user sees us" mypy --config-file tests/typing/mypy.ini \
    tests/typing/consumer.py examples/stage.py examples/b2b_saas examples/gunicorn_flask examples/logging_bridge
step "pyright" pyright
step "import direction" lint-imports
step "package" build_package
step "links of the docs" python scripts/check_links.py
step "docs site" python scripts/build_site.py

if [ "${#failed[@]}" -gt 0 ]; then
    printf 'failed: %s\n' "${failed[@]}"
    exit 1
fi
echo "all checks passed"
