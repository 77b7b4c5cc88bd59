"""What a model learns from: files, folders, pipes and catalogued collections, as documents.

``readers.load`` turns what a user names into a :class:`~seqgen.corpus.documents.Corpus`;
``split.split`` holds part of one back for validation.
"""
