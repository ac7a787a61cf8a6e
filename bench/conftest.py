"""Collect bench_*.py here, so that ``pytest bench`` runs them all."""


def pytest_configure(config):
    config.addinivalue_line("python_files", "bench_*.py")
