"""``make tune-proposals``: proposal parameters for weights that are there, without a sweep."""

from pathlib import Path

from bmn.base.errors import BmnError
from bmn.base.schema import Params
from bmn.data.subset import open_subset
from bmn.model.weights import load_network
from bmn.recipes.edits import edit
from bmn.tuning.job import decode_all
from bmn.tuning.proposal_search import FACTOR, SEARCHED_ON, Gain, cross_validate, search
from bmn.tuning.space import check_searched


def fit_proposals(params: Params, data: Path, weights: Path, path: Path) -> str:
    """Search ``proposals.*`` on the validation videos; write what is found if it gains on videos not searched on.

    Args:
        params: their ``tune.space`` says what is varied, ``tune.evaluations`` how many settings are tried.
        data: folder of the converted data.
        weights: of the network in ``params``.
        path: the parameter file to write.

    Returns:
        The figures behind the decision, and the difference.

    Raises:
        BmnError: the space, the data or the weights are unusable, or there are too few videos with segments.
    """
    dimensions = check_searched(params)
    decoded, _ = decode_all(load_network(params.model, weights), open_subset(data, "validation"))
    decoded, _ = decoded.parts(2 * SEARCHED_ON)
    if not all(any(half.truth.values()) for half in decoded.split()):
        raise BmnError(
            f"{data}: one half of the validation videos has no segments to try on what the other half finds; "
            f"add validation videos"
        )
    gain = cross_validate(decoded, dimensions, params.proposals, params.tune.evaluations)
    shown = verdict(gain, len(decoded.truth))
    if not gain.significant:
        return f"{shown}: not significant\n{path} is unchanged"
    found, _ = search(decoded.auc, dimensions, params.proposals, params.tune.evaluations)
    values = {key: getattr(found, key.removeprefix("proposals.")) for key in dimensions}
    return f"{shown}: significant\n{edit(path, values) or f'{path} is already up to date'}"


def verdict(gain: Gain, videos: int) -> str:
    """The sums of a decision."""
    return (
        f"AUC on {videos} validation videos: {gain.before:.2f} now, {gain.after:.2f} with what is found on the other "
        f"half of them\ngain {gain.after - gain.before:.2f}, needed {FACTOR * gain.error:.2f} ({FACTOR} x the standard "
        f"error over the videos)"
    )
