/// What `cnn eval` computes with.
module CnnCluster.Tests.Cli.EvalTests

open System
open System.Text.Json.Nodes
open Expecto

/// One worker of one thread convolves these by other kernels than one of several.
let private wide =
    """
network Wide {
    input 28x28x1
    conv 16 3x3 pad=same sigmoid
    conv 32 3x3 pad=same sigmoid
    globalavgpool
    dense 10
}

train Wide {
    data digits train=64 test=64
    loss cross-entropy
    optimizer sgd lr=0.1
    batch 32
    epochs 1
    seed 7
}
"""

[<Tests>]
let tests =
    testList
        "Cli.eval (long)"
        [ for threads in [ 1; 2 ] do
              test $"eval convolves as a run of {threads} threads did, however many this machine takes" {
                  Cnn.inFolder (fun folder ->
                      let file = Cnn.write folder "net.cnn" wide
                      let ofRun = [ "--threads"; string threads ]
                      let train = Cnn.run folder ([ "train"; file; "--json"; "--out"; "run" ] @ ofRun)
                      Expect.equal train.ExitCode 0 train.Error

                      let here = 3 - threads

                      use cnn =
                          Cnn.startThrough [ "env"; $"OMP_NUM_THREADS={here}" ] [ "eval"; "run"; "--json" ] folder

                      let result = Cnn.finish (TimeSpan.FromMinutes 1.0) cnn
                      Expect.equal result.ExitCode 0 result.Error

                      Expect.equal
                          (float (JsonNode.Parse result.Output).["val_loss"])
                          (float (train.Field("end", "val_loss")))
                          $"the run's very bits, where {here} would be taken")
              } ]
