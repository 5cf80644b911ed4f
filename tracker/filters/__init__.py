from tracker.filters.language import Filters, compile_filter, compile_value

__all__ = ["Filters", "compile_filter", "compile_value"]
