/// What a network's statements have come to so far: values, names, and the nodes of the plan to be.
module internal CnnCluster.Dsl.Checking.NetworkBuilder

open System.Collections.Generic
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Checking.Scope
open CnnCluster.Dsl.Checking.Evaluation
open CnnCluster.Dsl.Checking.Declared

/// Where layers get their paths: the network itself, or one use of a block or a shared set.
type Frame =
    {
        /// In front of the paths, such as `bottleneck1/`; empty for the network itself.
        Prefix: string
        /// In front of the paths that weights go by.
        Owner: string
        Counts: Dictionary<string, int>
        Taken: HashSet<string>
        /// The uses that are being expanded, outermost first.
        Uses: PlanUse list
        /// Their units, innermost first.
        Units: string list
    }

module Frame =
    let private create prefix owner uses units =
        { Prefix = prefix
          Owner = owner
          Counts = Dictionary()
          Taken = HashSet()
          Uses = uses
          Units = units }

    /// The network's own: the paths of shared sets begin with their names, which nothing else may take.
    let ofNetwork (words: Words) =
        let frame = create "" "" [] []

        for KeyValue(name, declared) in words.Units do
            if declared.Unit = Common then frame.Taken.Add name |> ignore

        frame

    /// One use of a unit, where another frame ends.
    let within outer path owner unit' =
        create $"{path}/" $"{owner}/" (outer.Uses @ [ { Path = path; Owner = owner } ]) (unit' :: outer.Units)

    /// `conv1`, `conv2`, … in the order of use. A block `a` and a block `a1` do not get in each other's way.
    let rec number frame kind =
        let count = 1 + frame.Counts.GetValueOrDefault(kind, 0)
        frame.Counts[kind] <- count
        let name = $"{kind}{count}"
        if frame.Taken.Add name then name else number frame kind

/// What the statements so far have made of the names.
type Flow =
    {
        Here: Here
        Values: Map<string, Meaning<Here>>
        Names: Map<string, Meaning<Evaluated option>>
        Defaults: GivenArguments.Defaults
        Frozen: bool
        Frame: Frame
        /// How many braces are open, those of blocks' uses too.
        Depth: int
        /// Whether a statement could not be read.
        Incomplete: bool
    }

/// The first use of a shared set: its nodes own the weights.
type SharedSet =
    { Input: Shape
      Place: Span
      FirstNode: int
      Count: int
      mutable Uses: int }

/// More statements than any network has are a slip of the hand, and would take all memory.
[<Literal>]
let private MostStatements = 20000

/// Rounds cost time even where there is nothing in them.
[<Literal>]
let private MostRounds = 100000

/// Behind so many mistakes the rest is not looked at.
[<Literal>]
let private MostMistakes = 1000

/// The shape of the sample that an input takes, by the input's name and number, where it is known.
type Samples = string -> int -> Shape option

type Builder(sink: Sink, words: Words, samples: Samples) =
    let saidBefore = sink.Said.Count

    member _.Sink = sink
    member _.Words = words
    /// Shapes that fill in what the inputs leave open.
    member _.Samples = samples
    member val Inputs = ResizeArray<PlanInput>()
    member val Nodes = ResizeArray<PlanNode>()
    member val Outputs = ResizeArray<PlanOutput>()
    member val Shared = Dictionary<string, SharedSet>()
    /// Names that were given, by place, with what they are: those that nothing uses are worth a warning.
    member val Defined = Dictionary<Span, string * Name>()
    /// Where the inputs stand.
    member val InputPlaces = ResizeArray<Span>()
    member val private Statements = 0 with get, set
    member val private Rounds = 0 with get, set

    /// Whether there is room for one more statement; says so once where there is none.
    member builder.Goes(span: Span) =
        builder.Statements <- builder.Statements + 1

        if
            sink.Said.Count - saidBefore > MostMistakes
            && builder.Statements <= MostStatements
        then
            builder.Statements <- MostStatements + 1
            report sink (Diagnostic.error span $"after {MostMistakes} mistakes, the network is not checked further")
        elif builder.Statements = MostStatements + 1 then
            report
                sink
                { Diagnostic.error span $"the network comes to more than {MostStatements} statements here" with
                    Expected = Some "fewer rounds of 'repeat', or blocks that use fewer others" }

        builder.Statements <= MostStatements

    /// Whether there is time for one more round of a 'repeat'; says so once where there is none.
    member builder.GoesRound(span: Span) =
        builder.Rounds <- builder.Rounds + 1

        if builder.Rounds = MostRounds + 1 then
            report
                sink
                (Diagnostic.error span $"the network repeats more than {MostRounds} times in all, here at the latest")

        builder.Rounds <= MostRounds

    /// Notes a name, and a warning where it hides another.
    member builder.Define what (name: Name) isHidden =
        if builder.Defined.TryAdd(name.Span, (what, name)) && isHidden then
            report sink (Diagnostic.warning name.Span $"'{name.Text}' has a meaning already, which this one hides")

let scopeOf flow : Scope =
    { Names = flow.Names
      Values = flow.Values
      Here = flow.Here
      Incomplete = flow.Incomplete }

let hasMeaning flow (name: Name) =
    flow.Names.ContainsKey name.Text || flow.Values.ContainsKey name.Text

/// Gives the current value a name.
let named (builder: Builder) (flow: Flow) (label: Name option) =
    match label with
    | None -> flow
    | Some name ->
        refuseReserved builder.Sink builder.Words "a value" name
        builder.Define "value" name (hasMeaning flow name)

        { flow with
            Values =
                Map.add
                    name.Text
                    { Meaning = flow.Here
                      Place = name.Span }
                    flow.Values }

/// Gives a number, or what a block was given, a name.
let bindName (builder: Builder) what (flow: Flow) (name: Name) value =
    builder.Define what name (hasMeaning flow name)

    { flow with
        Names = Map.add name.Text { Meaning = value; Place = name.Span } flow.Names }
