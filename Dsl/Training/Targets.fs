namespace CnnCluster.Dsl

/// What a target of a data set holds for each sample.
type TargetKind =
    /// One of so many classes, numbered from 0.
    | Classes of count: int
    /// So many numbers, each from 0 to 1.
    | Numbers of count: int

/// One of the things that a data set's samples are labelled with.
type DataTarget = { Name: string; Kind: TargetKind }

/// One of the images that each sample of a data set has.
type DataInput =
    { Name: string
      Height: int
      Width: int
      Channels: int }

    member input.Shape =
        { Channels = input.Channels
          Sides = [ Some input.Height; Some input.Width ] }

/// What a loss or a metric compares an output with.
type Target =
    /// A target of the data set, by its place there.
    | OfData of int
    /// An input of the network, by its place there: for autoencoders.
    | OfInput of int

/// A target as losses and metrics see it.
type TargetShape =
    /// A class for each sample.
    | ClassOf of count: int
    /// As many numbers for each sample as a value of this shape has.
    | NumbersOf of Shape

/// What outputs a loss or a metric compares with classes.
type ClassOutputs =
    | NoOutput
    /// Those with an element for each class.
    | ElementForEach
    /// Those, and for two classes also those of a single element, which speaks for class 1.
    | ElementForEachOrOne

/// What a loss or a metric can compare.
type Comparison =
    {
        Classes: ClassOutputs
        /// Whether it compares with numbers, in an output of their shape.
        Numbers: bool
    }

module Comparison =
    let classOfElements =
        { Classes = ElementForEach
          Numbers = false }

    let classes =
        { Classes = ElementForEachOrOne
          Numbers = false }

    let elements =
        { Classes = ElementForEachOrOne
          Numbers = true }

    /// The outputs' shapes that can be compared with a target; none if it is of the wrong kind.
    let outputsFor target comparison =
        match target, comparison.Classes with
        | ClassOf _, NoOutput -> []
        | ClassOf 2, ElementForEachOrOne -> [ Shape.vector 2; Shape.vector 1 ]
        | ClassOf count, _ -> [ Shape.vector count ]
        | NumbersOf shape, _ -> if comparison.Numbers then [ shape ] else []
