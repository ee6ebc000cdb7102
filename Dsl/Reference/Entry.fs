namespace CnnCluster.Dsl

/// What a word of the language names.
[<RequireQualifiedAccess>]
type EntryKind =
    | Declaration
    | Statement
    | Value
    | Argument
    | Layer
    | Activation
    | Initialiser
    | Regularizer
    | FixedKernel
    | TrainStatement
    | Loss
    | Metric
    | Optimizer
    | Schedule
    | DataSet
    | Augmentation

    /// In the order in which help and the reference list them.
    static member All =
        [ EntryKind.Declaration
          EntryKind.Statement
          EntryKind.Value
          EntryKind.Argument
          EntryKind.Layer
          EntryKind.Activation
          EntryKind.Initialiser
          EntryKind.Regularizer
          EntryKind.FixedKernel
          EntryKind.TrainStatement
          EntryKind.Loss
          EntryKind.Metric
          EntryKind.Optimizer
          EntryKind.Schedule
          EntryKind.DataSet
          EntryKind.Augmentation ]

    member kind.Title =
        match kind with
        | Declaration -> "declaration"
        | Statement -> "statement of a network"
        | Value -> "word for a value"
        | Argument -> "argument of layers and blocks"
        | Layer -> "layer"
        | Activation -> "activation"
        | Initialiser -> "initialiser"
        | Regularizer -> "regularizer"
        | FixedKernel -> "fixed kernel"
        | TrainStatement -> "statement of a train part"
        | Loss -> "loss"
        | Metric -> "metric"
        | Optimizer -> "optimizer"
        | Schedule -> "schedule"
        | DataSet -> "data set"
        | Augmentation -> "augmentation"

    member kind.Plural =
        match kind with
        | Statement -> "statements of a network"
        | Value -> "words for values"
        | Argument -> "arguments of layers and blocks"
        | TrainStatement -> "statements of a train part"
        | Loss -> "losses"
        | other -> other.Title + "s"

/// One argument or setting of an entry, as the reference's tables have it.
type EntryArgument =
    { Name: string
      Takes: string
      Default: string
      Doc: string }

/// Everything that help and the reference say of a word. What does not apply is empty.
type Entry =
    {
        Word: string
        Kind: EntryKind
        /// How it is written, in one way or several.
        Forms: string list
        Summary: string
        Formula: string
        /// What holds where it is left out.
        Default: string
        Arguments: EntryArgument list
        /// What becomes of the shape, or which shape it has.
        Shape: string
        Parameters: string
        /// Multiply-adds for one sample.
        Cost: string
        Source: string
        Notes: string list
        Example: string
    }

module Entry =
    /// An entry with its forms and one sentence, to which `with` adds.
    let create kind word forms summary =
        { Word = word
          Kind = kind
          Forms = forms
          Summary = summary
          Formula = ""
          Default = ""
          Arguments = []
          Shape = ""
          Parameters = ""
          Cost = ""
          Source = ""
          Notes = []
          Example = "" }
