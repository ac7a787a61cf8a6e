"""Packaging: the C core with its cffi binding, and the Python layers."""

from setuptools import find_packages, setup

setup(
    packages=["numa_core", *find_packages("python", include=["numab", "numab.*"])],
    package_dir={"numa_core": "numa_core", "numab": "python/numab"},
    package_data={
        "numa_core": ["*.c", "*.h", "*.def", "*.md", "policies/*.c", "policies/*.h"],
        "numab": ["py.typed"],
    },
    cffi_modules=["numa_core/build_cffi.py:ffi"],
    zip_safe=False,
)
