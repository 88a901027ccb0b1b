"""Build speech-quality datasets, train MOS predictors, and judge them honestly.

The rooms, from the top of the stairs to the bottom (imports only ever point down)::

    cli                              commands: parse, build a config, call one function
    builders | training              the two job rooms; they meet only through a dataset on disk
    testing                          small clips, rows and engines for tests, yours and ours
    synth    | augment               text -> clip | clip -> clip
    labels   | evaluation            clip -> objective scores | predictions -> metrics and report
    manifests                        rows, ratings, ids, schema, the dataset on disk
    audio    | cluster               Clip and its files | the only module that knows Ray
    errors                           what can go wrong, in words for the user
"""

__version__ = "0.1.0"
