"""From curves to a decision: which RL branches to run on, and what to start next."""


def __getattr__(name: str) -> object:
    """What `__init__.pyi` lists, imported when it is first asked for."""
    from retu.core.public_names import load_public_name

    return load_public_name(globals(), name)


def __dir__() -> list[str]:
    """Modules that are loaded, and all public names."""
    from retu.core.public_names import list_public_names

    return sorted({*globals(), *list_public_names(globals())})
