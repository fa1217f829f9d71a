"""A decision tree as a function: to read, and to paste into a program without kdlab or scikit-learn."""

import keyword
import re


def tree_as_python(tree, columns, *, name="answer", digits=None):
    """The source of a Python function that answers as a fitted tree of scikit-learn's does.

    Its argument is a row: numbers, in the order of the columns. It gives a regression tree's value, or the
    probability of a classification tree's last class.

    Parameters
    ----------
    tree : DecisionTreeRegressor or DecisionTreeClassifier
    columns : sequence of str
        What stands in each column; with spaces and the like turned into underscores they name the variables.
    name : str
    digits : int, optional
        Round all numbers to so many, for reading: rows next to a threshold may then be answered otherwise.

    Raises
    ------
    ValueError
        If the columns are not as many as the tree's, or one gives no name of its own.
    """
    nodes = tree.tree_
    names = [re.sub(r"\W+", "_", str(column)).strip("_") for column in columns]
    if len(names) != nodes.n_features:
        raise ValueError(f"{len(names)} columns are named, the tree has {nodes.n_features}")
    for column, own in zip(columns, names):
        if not own.isidentifier() or keyword.iskeyword(own) or names.count(own) > 1:
            raise ValueError(f"{column!r} gives no name of its own for a variable: rename the column")
    used = {names[feature] for feature in nodes.feature if feature >= 0}
    heads = [own if own in used else "_" for own in names]
    lines = [f"def {name}(row):", f"    {', '.join(heads)}{',' * (len(heads) == 1)} = row"]

    def told(number):
        return repr(float(number) if digits is None else round(float(number), digits))

    def write(node, depth):
        space = "    " * depth
        if nodes.children_left[node] < 0:
            shares = nodes.value[node][0]
            lines.append(
                f"{space}return {told(shares[0] if len(shares) == 1 else shares[-1] / shares.sum())}"
            )
            return
        lines.append(f"{space}if {names[nodes.feature[node]]} <= {told(nodes.threshold[node])}:")
        write(nodes.children_left[node], depth + 1)
        lines.append(f"{space}else:")
        write(nodes.children_right[node], depth + 1)

    write(0, 1)
    return "\n".join(lines) + "\n"
