namespace CnnCluster.Dsl

open System
open CnnCluster.Kernels

/// A statement of a train part: the checker reads its word and its settings, help and the reference the rest.
type TrainStatement =
    {
        Entry: Entry
        /// Whether it may stand several times.
        Repeats: bool
        /// Its settings that are numbers; those that are words stand among the entry's arguments.
        Settings: Setting list
    }

    member statement.Name = statement.Entry.Word
    member statement.Summary = statement.Entry.Summary

module TrainStatements =
    let private statement word forms standard summary example =
        { Entry =
            { Entry.create EntryKind.TrainStatement word forms summary with
                Default = standard
                Example = example }
          Repeats = false
          Settings = [] }

    let private several statement = { statement with Repeats = true }

    let private notes notes statement =
        { statement with
            Entry =
                { statement.Entry with
                    Entry.Notes = notes } }

    let private arguments (rows: (string * string * string * string) list) : EntryArgument list =
        [ for name, takes, standard, doc in rows ->
              { Name = name
                Takes = takes
                Default = standard
                Doc = doc } ]

    let private words rows statement =
        { statement with
            Entry =
                { statement.Entry with
                    Arguments = arguments rows } }

    let private followedFigure =
        [ "monitor", "val_ or train_, and the figure of a loss or a metric", "val_loss", "The figure that is watched."
          "mode",
          "min, max or auto",
          "auto",
          "What is better: lower, higher, or higher for accuracies and lower for losses." ]

    /// What says which figure of the epochs is followed, by early stopping and by schedules.
    let figureWords = arguments followedFigure

    let private numbers settings (statement: TrainStatement) = { statement with Settings = settings }

    let data =
        statement
            "data"
            [ "data NAME …" ]
            "required"
            "The data set. A network's input takes the set's input of the same name or, if there is none, the one of the same number; the shapes must be the same."
            "data digits train=6000"

    /// Which output is compared with what, and what holds for either where it is not said.
    let private compared output target =
        [ "on", "an output's name", output, "The output that is looked at."
          "target",
          "a target of the data set, an input's name, or input",
          target,
          "What the output is compared with. An input is for autoencoders; 'input' is the only one, whatever its name." ]

    let loss =
        statement
            "loss"
            [ "loss NAME …" ]
            "required"
            "What is made small: the weighted sum of all losses, whose mean over samples is train_loss and val_loss, together with the regularizers' sum."
            "loss cross-entropy label-smoothing=0.1"
        |> several
        |> words (
            compared "the only output" "the data set's first"
            @ [ "weight", "a number from 0", "1", "What the loss is multiplied by in the sum." ]
        )

    let optimizer =
        statement "optimizer" [ "optimizer NAME …" ] "required" "How the weights are changed." "optimizer adam lr=2e-3"

    let metric =
        statement
            "metric"
            [ "metric NAME …" ]
            "accuracy for each loss that classifies, else none"
            "A figure of the output besides the loss."
            "metric accuracy; metric top_k_accuracy k=2"
        |> several
        |> words (compared "the output that all losses are on" "what the output's first loss has")
        |> notes
            [ "It is measured on the training samples as they pass, before each update, and on the validation samples at the end of each epoch; its names in the results are train_NAME and val_NAME, where there are several outputs val_NAME_OUTPUT." ]

    let validation =
        statement
            "validation"
            [ "validation split=SHARE" ]
            "the data set's own validation samples"
            "Holds out a share of the training samples, the last ones before shuffling, and validates on them instead."
            "validation split=0.1"
        |> numbers
            [ Setting.Real("split", Nullable(), 0.0001, 0.9999, "The share of the training samples to validate on.") ]

    let augment =
        statement
            "augment"
            [ "augment NAME …" ]
            "none"
            "Changes training samples at random, anew in each epoch, and never validation samples."
            "augment shift pixels=2; augment flip"
        |> several
        |> notes
            [ "Several are applied in their order."
              "The random numbers depend on the run's seed, the augmentation's name and place in the list, the epoch and the sample."
              "What comes in from beyond the border is 0." ]

    let schedule =
        statement
            "schedule"
            [ "schedule NAME …" ]
            "constant"
            "How the learning rate changes over the run."
            "schedule cosine warmup=50"

    let clip =
        statement
            "clip"
            [ "clip value=X"; "clip norm=X"; "clip global-norm=X" ]
            "none"
            "Bounds the gradient, once the regularizers' is added. One of the three."
            "clip global-norm=5"
        |> numbers
            [ for name, doc in
                  [ "value", "Each element's bound."
                    "norm", "The bound of each weight's gradient norm."
                    "global-norm", "The bound of the whole gradient's norm (Pascanu, Mikolov, Bengio, ICML 2013)." ] ->
                  Setting.Real(name, 0.0, 1e-30, 1e30, doc) ]

    let accumulate =
        statement
            "accumulate"
            [ "accumulate N" ]
            "1"
            "Batches whose samples make one step together: the step's gradient is the mean over batch·N samples."
            "accumulate 4"

    let precision =
        statement
            "precision"
            [ "precision TYPE" ]
            "float32"
            "What is computed with: float32 or float64; bfloat16 or float16 for the products of convolutions and dense layers, and float32 for all else."
            "precision bfloat16"

    let batch =
        statement
            "batch"
            [ "batch N" ]
            "32"
            "Samples of a batch, over all workers; the last batch of an epoch holds what is left."
            "batch 64"

    let epochs =
        statement "epochs" [ "epochs N" ] "1" "Rounds through the training samples, at most." "epochs 20"

    let earlyStop =
        statement
            "early-stop"
            [ "early-stop …" ]
            "none: the run goes through all epochs and ends with the last weights"
            "Stops when a figure, measured over all workers at the end of each epoch, does not improve any more."
            "early-stop monitor=val_accuracy patience=3 restore=best"
        |> words (
            followedFigure
            @ [ "restore", "best or last", "last", "Which weights the run ends with, also when all epochs are done."
                "baseline",
                "a number",
                "none",
                "While the figure is not better than this, improvements do not reset the count." ]
        )
        |> notes
            [ "The first figure that is looked at is an improvement; one that is not a number never is."
              "Without early-stop the best epoch by val_loss is still found and kept as a checkpoint." ]
        |> numbers
            [ Setting.Whole(
                  "patience",
                  0.0,
                  0.0,
                  1e9,
                  "Epochs without improvement after which to stop; 0 does the same as 1."
              )
              Setting.Real("min-delta", 0.0, 0.0, 1e30, "A change counts as an improvement only if it is greater.")
              Setting.Whole("start-from-epoch", 0.0, 0.0, 1e9, "Epochs at the beginning that are not looked at.") ]

    let seed =
        statement
            "seed"
            [ "seed N" ]
            "0"
            "A whole number from 0 to 2⁵³ − 1. First weights, the samples' order, dropout and augmentations follow from it."
            "seed 42"

    let exact =
        statement
            "exact"
            [ "exact shards=S" ]
            "none: each number of workers rounds the sums in its own way"
            "The same bits whatever the number of workers, up to S: each batch is cut into S shards, whoever computes them, and their sums are added along one fixed tree."
            "exact shards=8"
        |> numbers
            [ Setting.Whole(
                  "shards",
                  Nullable(),
                  1.0,
                  1024.0,
                  "How many shards a batch is cut into, and the most workers there may be."
              ) ]
        |> notes
            [ "Shards differ by one sample at most. Layers compute 16 samples at a time, so smaller shards cost time."
              "Each worker computes with one thread, on a CPU."
              "batchnorm sync=no, whose statistics are each worker's own, has no place here." ]

    /// The statements that a train part may have, as help and the reference list them.
    let all =
        [ data
          loss
          metric
          validation
          augment
          optimizer
          schedule
          clip
          accumulate
          precision
          batch
          epochs
          earlyStop
          seed
          exact ]
