"""Rows of a table that nobody observed, for a teacher to answer: four ways to make them up.

Each takes rows (N, columns) and gives (count, columns). ``nominal`` columns hold values without an order, as
numbers; a value is then taken as it is, never a number in between.
"""

import torch


def noisy_rows(rows, count, *, nominal=(), width=0.3, seed=0):
    """Rows of the table; numbers get Gaussian noise of ``width`` standard deviations of their column."""
    random = torch.Generator().manual_seed(seed)
    made = rows[torch.randint(len(rows), (count,), generator=random)]
    noise = width * rows.std(dim=0) * torch.randn(made.shape, generator=random, dtype=rows.dtype)
    noise[:, list(nominal)] = 0
    return made + noise


def uniform_rows(rows, count, *, nominal=(), seed=0):
    """Numbers uniform between their column's smallest and largest; nominal values any of their column's."""
    random = torch.Generator().manual_seed(seed)
    low, high = rows.amin(dim=0), rows.amax(dim=0)
    made = low + (high - low) * torch.rand(count, rows.shape[1], generator=random, dtype=rows.dtype)
    for column in nominal:
        values = rows[:, column].unique()
        made[:, column] = values[torch.randint(len(values), (count,), generator=random)]
    return made


def columns_apart(rows, count, *, seed=0):
    """Each column drawn on its own: every value is a real one, and how columns go together is lost."""
    random = torch.Generator().manual_seed(seed)
    places = torch.randint(len(rows), (count, rows.shape[1]), generator=random)
    return rows.gather(0, places)


def munge(rows, count, *, nominal=(), p=0.5, s=1.0, seed=0):
    r"""MUNGE: rows that take some of their values from their nearest neighbour.

    With probability ``p`` each value of a row :math:`e` is replaced, by one drawn from
    :math:`\mathcal N(e'_a, (|e_a - e'_a| / s)^2)` for a number, by the neighbour's own where it is nominal.
    The original does this to both rows of the pair at once; here the neighbour :math:`e'` stays.

    Parameters
    ----------
    rows : Tensor of shape (N, columns), N >= 2
    count : int
    p : float in [0, 1]
    s : float above 0
        The larger, the nearer to the neighbour's value.

    Raises
    ------
    ValueError
        If p or s is out of range, or there is no other row.

    References
    ----------
    Buciluă, Caruana and Niculescu-Mizil (2006), "Model Compression", section 3 (MUNGE).
    """
    if not 0 <= p <= 1 or not s > 0:
        raise ValueError(f"p must lie in [0, 1] and s above 0, got p = {p} and s = {s}")
    if len(rows) < 2:
        raise ValueError(f"a nearest neighbour needs at least 2 rows, got {len(rows)}")
    random, nominal = torch.Generator().manual_seed(seed), list(nominal)
    mine = torch.arange(count) % len(rows)  # every row as often as another
    row, other = rows[mine], rows[nearest_row(rows, nominal)[mine]]
    value = other + (row - other).abs() / s * torch.randn(row.shape, generator=random, dtype=rows.dtype)
    value[:, nominal] = other[:, nominal]
    return torch.where(torch.rand(row.shape, generator=random) < p, value, row)


def nearest_row(rows, nominal=()):
    """The place (N,) of each row's nearest other: by standard deviations; a nominal difference counts 1."""
    from sklearn.neighbors import NearestNeighbors

    numbers = [column for column in range(rows.shape[1]) if column not in nominal]
    scale = rows[:, numbers].std(dim=0)
    parts = [rows[:, numbers] / torch.where(scale > 0, scale, 1.0)]
    for column in nominal:
        values, place = rows[:, column].unique(return_inverse=True)
        parts.append(torch.nn.functional.one_hot(place, len(values)) / 2**0.5)
    near = NearestNeighbors(n_neighbors=1).fit(torch.cat(parts, dim=1).numpy())
    return torch.tensor(near.kneighbors(return_distance=False)[:, 0])
