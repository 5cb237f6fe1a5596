from retu.core.errors import InputError as InputError
