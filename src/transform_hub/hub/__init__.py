"""An embedded Transform Hub: stores Sequences, runs Instances, carries their streams over HTTP."""
