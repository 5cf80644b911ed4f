"""Which library a model is made with."""

from enum import Enum

from engine.errors import BackendMismatchError, did_you_mean


class Backend(Enum):
    """The library that a model, a loss or an optimizer belongs to."""

    TORCH = "torch"
    TENSORFLOW = "tensorflow"
    SCIKIT = "scikit"
    NUMPY = "numpy"
    NONE = "none"

    @classmethod
    def from_value(cls, value: "str | Backend") -> "Backend":
        """The backend of this name; TensorFlow's is known, but not supported."""
        if not isinstance(value, cls):
            text = str(value).lower()
            names = {backend.value: backend for backend in cls} | {"sklearn": cls.SCIKIT}
            if text not in names:
                raise BackendMismatchError(
                    f"There is no backend {value!r}.{did_you_mean(text, names)}"
                )
            value = names[text]
        if value is cls.TENSORFLOW:
            raise BackendMismatchError("TensorFlow is not supported; use torch or scikit-learn.")
        return value
