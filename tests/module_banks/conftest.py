from registered import registries  # noqa: F401
