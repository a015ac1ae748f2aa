"""Kernels generated from a cell's step in plain PyTorch.

In this order: ``trace`` runs a step once and has a ``graph`` of it, by the ``rules`` for PyTorch's operators;
``gradient`` differentiates it; ``program`` cuts it at its products with parameters, lays out what is kept (``saving``)
and has ``schedule`` group the rest into loops, which ``emit`` and ``opaque`` write as C; ``build`` compiles and caches.
``cells`` does all this for a cell; ``calls`` runs the result for ``kernel``. ``driver.h`` has the loop over time,
``step.h``, ``product.h`` and ``vector.h`` what generated code is written in. Nothing here knows a memory by name.
"""
