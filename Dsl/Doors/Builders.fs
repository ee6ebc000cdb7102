/// The language for C#: a script is built call by call, and the tree is the one that the text would give. Arguments are
/// numbers, booleans, texts as the script has them, `("key", value)` for a setting, tuples of whole numbers for sizes,
/// arrays for matrices. A text that is no such piece of a script is an ArgumentException that shows it.
namespace CnnCluster.Dsl.Building

open System
open System.Runtime.InteropServices
open CnnCluster.Dsl
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Doors

/// Statements, one after the other; every method gives a new builder and leaves this one as it is.
[<Sealed; AllowNullLiteral(false)>]
type BodyBuilder private (reversed: Statement list) =
    /// No statements: an empty branch.
    new() = BodyBuilder []

    member internal _.Body = Writing.bodyOf (List.rev reversed)
    member private _.With statement = BodyBuilder(statement :: reversed)

    static member internal Build(build: Func<BodyBuilder, BodyBuilder>) = build.Invoke(BodyBuilder()).Body

    /// `input 28x28x1`: sides and channels, or features alone.
    member body.Input([<ParamArray>] sides: int[]) =
        body.With(Writing.useOf "input" [ BodyBuilder.ShapeOf sides ])

    /// `input ?x?x3`: a side left open needs the text.
    member body.Input(shape: string) =
        body.With(Writing.useOf "input" [ shape ])

    /// `input left 28x28x1`
    member body.Input(name: string, [<ParamArray>] sides: int[]) =
        body.With(Writing.useOf "input" [ name; BodyBuilder.ShapeOf sides ])

    /// `input left ?x?x3`
    member body.Input(name: string, shape: string) =
        body.With(Writing.useOf "input" [ name; shape ])

    /// A layer, block or shared set by its name, or an activation.
    member body.Layer(name: string, [<ParamArray>] arguments: obj[]) = body.With(Writing.useOf name arguments)

    /// A merge of branches, each of which starts from the current value: `add { … } { … }`.
    member body.Merge(name: string, [<ParamArray>] branches: Func<BodyBuilder, BodyBuilder>[]) =
        body.With(Writing.useOf name [ for branch in branches -> BodyBuilder.Build branch :> obj ])

    /// Names what the statement before gives, as `as` behind it does, or the current value at a body's beginning.
    member body.As(name: string) =
        match reversed with
        | { Kind = Use(word, arguments, None) } as last :: before ->
            BodyBuilder(
                { last with
                    Kind = Use(word, arguments, Some(Pieces.name name)) }
                :: before
            )
        | _ -> body.With(Writing.asOf name)

    /// Makes a named value the current one.
    member body.From(name: string) = body.With(Writing.fromOf name)

    /// Makes the current value an output.
    member body.Output(name: string) = body.With(Writing.outputOf name)

    /// A number by a name: `Let("wide = filters * 4")`.
    member body.Let(definition: string) = body.With(Writing.letOf definition)

    /// Settings that layers have unless they say otherwise: `Defaults(d => d.Conv(("bias", false)))`.
    member body.Defaults(settings: Func<BodyBuilder, BodyBuilder>) =
        body.With(Writing.defaultsOf (BodyBuilder.Build settings))

    /// `if stride > 1 { … } else { … }`
    member body.If
        (
            condition: string,
            whenTrue: Func<BodyBuilder, BodyBuilder>,
            [<Optional; DefaultParameterValue(null: Func<BodyBuilder, BodyBuilder> | null)>] otherwise:
                Func<BodyBuilder, BodyBuilder> | null
        ) =
        let whenFalse =
            match otherwise with
            | null -> None
            | build -> Some(BodyBuilder.Build build)

        body.With(Writing.ifOf condition (BodyBuilder.Build whenTrue) whenFalse)

    /// `repeat 3 { … }`
    member body.Repeat(count: int, build: Func<BodyBuilder, BodyBuilder>) =
        body.With(Writing.repeatOf count (BodyBuilder.Build build))

    /// `repeat i in 1..n { … }`: what stands behind `repeat`, as the script has it.
    member body.Repeat(head: string, build: Func<BodyBuilder, BodyBuilder>) =
        body.With(Writing.repeatOf head (BodyBuilder.Build build))

    /// `repeat a, b in [64 3; 128 4] { … }`: over numbers, or rows of them.
    member body.RepeatIn(names: string, list: obj, build: Func<BodyBuilder, BodyBuilder>) =
        body.With(Writing.repeatIn names list (BodyBuilder.Build build))

    static member private ShapeOf(sides: int[]) : obj =
        match sides with
        | [||] -> invalidArg (nameof sides) "An input has a size: its sides and its channels."
        | [| features |] -> features
        | _ -> String.Join("x", sides)

/// The statements of a train part; every method gives a new builder and leaves this one as it is.
[<Sealed; AllowNullLiteral(false)>]
type TrainBuilder private (reversed: Statement list) =
    new() = TrainBuilder []
    member internal _.Body = Writing.bodyOf (List.rev reversed)

    /// A statement by its word.
    member _.Setting(word: string, [<ParamArray>] arguments: obj[]) =
        TrainBuilder(Writing.useOf word arguments :: reversed)

/// A branch among other arguments: `.Add("start", Branch.Of(b => b.Conv(8, 3)))`.
[<AbstractClass; Sealed>]
type Branch =
    static member Of(build: Func<BodyBuilder, BodyBuilder>) : obj = BodyBuilder.Build build

    /// `{ }`: the current value.
    static member Empty: obj = BodyBuilder().Body

/// A script; every method gives a new builder and leaves this one as it is.
[<Sealed; AllowNullLiteral(false)>]
type ScriptBuilder private (reversed: Declaration list) =
    new() = ScriptBuilder []

    member private _.With declaration = ScriptBuilder(declaration :: reversed)

    member script.Network(name: string, build: Func<BodyBuilder, BodyBuilder>) =
        script.With(Writing.networkOf name (BodyBuilder.Build build))

    /// A block, with its parameters as in the script: `Block("cell(filters, stride = 1)", …)`.
    member script.Block(head: string, build: Func<BodyBuilder, BodyBuilder>) =
        script.With(Writing.blockOf head (BodyBuilder.Build build))

    /// One set of weights for all its uses.
    member script.Shared(name: string, build: Func<BodyBuilder, BodyBuilder>) =
        script.With(Writing.sharedOf name (BodyBuilder.Build build))

    /// How the network of this name is trained.
    member script.Train(name: string, build: Func<TrainBuilder, TrainBuilder>) =
        script.With(Writing.trainOf name (build.Invoke(TrainBuilder()).Body))

    /// The declarations of another script, by its path.
    member script.Import(path: string) = script.With(Writing.importOf path)

    member _.Tree: Script = Writing.scriptOf (List.rev reversed)

    /// The canonical script, to be checked, planned or trained; messages call it `file`.
    member script.ToSource([<Optional; DefaultParameterValue("script")>] file: string) = Printer.source file script.Tree

    /// The canonical script.
    override script.ToString() = Printer.print script.Tree
