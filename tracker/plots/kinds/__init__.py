"""The kinds of pictures. A new one is a file here and a line below."""

from tracker.plots.kind import Kind
from tracker.plots.kinds.bar import BarKind
from tracker.plots.kinds.box import BoxKind
from tracker.plots.kinds.curve import CurveBestKind, CurveKind
from tracker.plots.kinds.heatmap import HeatmapKind
from tracker.plots.kinds.parallel import ParallelKind
from tracker.plots.kinds.scatter import ScatterHeatKind, ScatterKind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        CurveKind(), CurveBestKind(), BarKind(), HeatmapKind(), ScatterKind(), ScatterHeatKind(),
        ParallelKind(), BoxKind(),
    )
}  # fmt: skip
