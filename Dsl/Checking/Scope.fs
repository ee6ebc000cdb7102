/// What a script's expressions may name where they stand.
module internal CnnCluster.Dsl.Checking.Scope

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax

/// Collects what is wrong, and which names have been of use.
type Sink(said: Diagnostic seq) =
    inherit ResizeArray<Diagnostic>(said)
    new() = Sink Seq.empty

    /// Where the names stand that something has used.
    member val Used = HashSet<Span>()

    /// What has been said where: a mistake in a block comes with every use of it.
    member val Said = HashSet<struct (Span * string)>()

    /// How many expressions have been computed.
    member val Computed = 0 with get, set

let report (sink: Sink) (diagnostic: Diagnostic) =
    sink.Said.Add(struct (diagnostic.Span, diagnostic.Message)) |> ignore
    sink.Add diagnostic

/// Notes an error; the caller goes on without a value.
let fail (sink: Sink) span message =
    report sink (Diagnostic.error span message)
    None

/// Notes an error that says what would have been right.
let expected (sink: Sink) span message what =
    report
        sink
        { Diagnostic.error span message with
            Expected = Some what }

    None

/// A value on its way through the network.
type Flowing =
    { Source: NodeInput
      Shape: Shape
      Field: ReceptiveField }

type Here =
    | Undefined
    /// An error was said already: what follows is checked as far as it goes without a shape.
    | Unknown
    | Known of Flowing

/// What an expression means.
type Evaluated =
    | OfNumber of float
    | OfTruth of bool
    | OfSides of int option list
    | OfRows of Evaluated list list
    | OfWord of string
    /// `leakyrelu(0.1)`, for a catalogue to look up.
    | OfCall of string * float list
    /// A value by the name it goes by.
    | OfValue of string * Here

/// What a name stands for, and where it was given.
type Meaning<'T> = { Meaning: 'T; Place: Span }

/// The names an expression may use.
type Scope =
    {
        /// Numbers, and what blocks were given; `None` after an error, when it is not known.
        Names: Map<string, Meaning<Evaluated option>>
        /// Named values.
        Values: Map<string, Meaning<Here>>
        Here: Here
        /// Whether a statement could not be read: it may have defined any name that is missing.
        Incomplete: bool
    }

module Scope =
    let empty =
        { Names = Map.empty
          Values = Map.empty
          Here = Undefined
          Incomplete = false }

    /// What a word stands for; `None` if it stands for itself.
    let lookUp (sink: Sink) scope word =
        match Map.tryFind word scope.Names, Map.tryFind word scope.Values with
        | Some name, _ ->
            sink.Used.Add name.Place |> ignore
            Some name.Meaning
        | None, Some value ->
            sink.Used.Add value.Place |> ignore
            Some(Some(OfValue(word, value.Meaning)))
        | None, None when word = "here" -> Some(Some(OfValue(word, scope.Here)))
        | None, None -> None

    /// All names, for suggestions.
    let names scope =
        "here" :: List.ofSeq (Map.keys scope.Names) @ List.ofSeq (Map.keys scope.Values)

/// What to call an evaluated value in a message.
let describe =
    function
    | OfNumber value -> Printer.number value
    | OfTruth true -> "true"
    | OfTruth false -> "false"
    | OfSides _ -> "a size"
    | OfRows _ -> "a list"
    | OfWord word -> $"'{word}'"
    | OfCall(name, _) -> $"'{name}(…)'"
    | OfValue(name, _) -> $"the value '{name}'"
