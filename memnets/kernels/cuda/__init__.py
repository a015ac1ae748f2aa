"""Kernels for CUDA, generated from the same graphs as those in C; nothing here knows a memory by name.

A block of threads takes a sample through all steps. ``nests`` and ``whole_rows`` write a step's loops as CUDA,
``order`` puts barriers between what depends on each other, ``rooms`` says where a block keeps what it works on, and
``source`` puts the file together around ``forward.h`` and ``backward.h``. ``nvrtc`` compiles it, ``device`` loads and
launches it, ``launch`` hands it its tensors, and ``engine`` is what the rest of the library asks.
"""
