"""The conformance suite of methods, as a plug-in of pytest: `squeezemark check NAME`, or `pytest plugins/methods/NAME`.

`plugin` finds the folders of methods and collects `properties`, one function for each property; `subject` makes what these look at, in the
processes of a run; `watched` is the process that compresses, which tells what was opened there besides.
"""
