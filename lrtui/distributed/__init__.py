"""The processes that train one run together, and the processes and machines that runs are sent to."""
