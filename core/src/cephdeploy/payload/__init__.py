"""What runs on a host: reads a batch of requests, carries it out, answers in frames.

Sent as text after ``wire.py`` and run by the host's own python3 (3.6 and up) as root: all modules in one namespace,
so a name stands for one thing in the whole folder, and what they import from each other is left out. They import what
costs next to nothing (built-in modules, and zlib, which unpacked this text; ``signal`` and ``subprocess`` would cost 7
and 20 ms), and json only where an answer is cut to a part. They decide nothing: what to do is in the requests, and what
it means is for the controller.

When the line goes, the command under way is left to its end or its deadline, and nothing after it is begun.
"""
