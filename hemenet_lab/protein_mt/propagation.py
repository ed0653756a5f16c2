"""Are the GO labels of an annotation table propagated to the ancestors of their terms?"""

from __future__ import annotations

from typing import Any

from hemenet_lab.protein_mt.function import FunctionTable
from hemenet_lab.protein_mt.obo import Ontology


def compare_with_ontology(table: FunctionTable, ontology: Ontology) -> dict[str, Any]:
    """Counts the labels that a table lacks by the *is a* relations of a release.

    The table stays as it is, since published scores rest on it. Ancestors that it has no column
    for are not asked for, nor are those of terms that the release does not have.

    Returns:
        For the manifest: ``ontology`` (the release), ``terms_not_in_ontology`` and
        ``labels_without_ancestor`` (chain and ancestor that the chain's terms imply).
    """
    terms = {task.name: task.terms for task in table.tasks}
    columns = {term for of_task in terms.values() for term in of_task}
    above = {
        term: ontology.ancestors(known, ("is_a",)) & columns
        for term in columns
        if (known := ontology.find(term)) is not None
    }
    lacking = 0
    for labels in table.chains.values():
        own = {terms[task][index] for task, found in labels.items() for index in found}
        implied = frozenset[str]().union(*(above[term] for term in own if term in above))
        lacking += len(implied - own)
    return {
        "ontology": ontology.release,
        "terms_not_in_ontology": len(columns - above.keys()),
        "labels_without_ancestor": lacking,
    }
