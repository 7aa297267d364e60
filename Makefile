# What people type; the work is done in scripts/.
engines = $(notdir $(wildcard scripts/engines/*))
.PHONY: run test test-setup build docs bench fmt check clean engines $(engines:%=engines/%)

swift_files = $$(git ls-files --cached --others --exclude-standard '*.swift')
c_files = $$(git ls-files --cached --others --exclude-standard '*.c' '*.h' '*.cpp')

run:  ## Serve the demo models until Ctrl-C; RUN_ONCE=1 asks once and ends
	@scripts/run

test:  ## All tests
	@scripts/test

test-setup:  ## What tests need besides the host
	@scripts/setup-tests

engines: $(engines:%=engines/%)  ## Every engine that a runner here can use; `make run` fetches the one it needs

$(engines:%=engines/%): engines/%:
	@scripts/engines/$*

build:
	@scripts/setup
	swift build -c release

docs:  ## What is made from the code in docs/
	swift build --product stadion
	set -e; for page in errors configuration; do .build/debug/stadion reference $$page >docs/$$page.md; done

bench: build  ## Latency, throughput and memory, beside references on the same machine
	python3 Benchmarks/run.py

fmt: test-setup
	swift format --in-place --parallel --configuration .swift-format $(swift_files)
	.stadion/test-venv/bin/clang-format -i $(c_files)

check: test-setup  ## Style only; changes nothing
	swift format lint --strict --parallel --configuration .swift-format $(swift_files)
	.stadion/test-venv/bin/clang-format --dry-run --Werror $(c_files)

clean:  ## Keeps .stadion/cache, so that nothing is fetched twice
	rm -rf .build
	find .stadion -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} + 2>/dev/null || true
