/// The language in F#, for scripts and programs: `open CnnCluster.Dsl.Embedded`, and write what the script has. A line is
/// a word with its arguments in parentheses, braces are lists, settings are `"key" => value`, and texts are read as the
/// script would read them: sizes, sums of parameters, words. Heads of blocks, repetitions and conditions are such texts.
/// What comes out is the tree that the script would give; `Printer.source` makes the script of it, to be checked or run.
/// A text that is no such piece of a script is an ArgumentException that shows it.
namespace CnnCluster.Dsl.Embedded

open System
open CnnCluster.Dsl.Syntax
open CnnCluster.Dsl.Doors

/// The words that begin no layer and no setting.
[<AutoOpen>]
module Grammar =
    /// A setting, as in `"pad" => "same"`, `"lr" => 0.05`, `"bias" => false`.
    let (=>) (key: string) (value: obj) : Argument = Writing.keyword key value

    /// Declarations, one after the other.
    let script (declarations: Declaration list) : Script = Writing.scriptOf declarations

    /// `network "LeNet5" [ … ]`
    let network name (statements: Statement list) =
        Writing.networkOf name (Writing.bodyOf statements)

    /// A block, with its parameters as in the script: `block "cell(filters, stride = 1)" [ … ]`. Every use makes fresh
    /// weights: `layer ("cell", 64, "stride" => 2)`.
    let block head (statements: Statement list) =
        Writing.blockOf head (Writing.bodyOf statements)

    /// One set of weights for all its uses: `shared "tower" [ … ]`.
    let shared name (statements: Statement list) =
        Writing.sharedOf name (Writing.bodyOf statements)

    /// How the network of this name is trained.
    let train name (statements: Statement list) =
        Writing.trainOf name (Writing.bodyOf statements)

    /// The declarations of another script, by its path.
    let import path = Writing.importOf path

    /// `if' "stride > 1" [ … ]`
    let if' condition (whenTrue: Statement list) =
        Writing.ifOf condition (Writing.bodyOf whenTrue) None

    /// `ifElse "stride > 1" [ … ] [ … ]`
    let ifElse condition (whenTrue: Statement list) (whenFalse: Statement list) =
        Writing.ifOf condition (Writing.bodyOf whenTrue) (Some(Writing.bodyOf whenFalse))

    /// `repeat 3 [ … ]`, `repeat "i in 1..n" [ … ]`, `repeat "a, b in [64 3; 128 4]" [ … ]`
    let repeat (head: obj) (statements: Statement list) =
        Writing.repeatOf head (Writing.bodyOf statements)

    /// Over a list of numbers, or of rows of them: `repeatIn "filters, count" [ 64, 3; 128, 4 ] [ … ]`.
    let repeatIn names (list: obj) (statements: Statement list) =
        Writing.repeatIn names list (Writing.bodyOf statements)

    /// A number by a name: `let' "wide = filters * 4"`.
    let let' definition = Writing.letOf definition

    /// Names the current value; as the last argument of a layer, its result.
    let as' name = Writing.asOf name

    /// Makes a named value the current one.
    let from name = Writing.fromOf name

    /// Makes the current value an output.
    let output name = Writing.outputOf name

    /// Settings that layers have unless they say otherwise: `defaults [ conv ("bias" => false) ]`.
    let defaults (statements: Statement list) =
        Writing.defaultsOf (Writing.bodyOf statements)

/// Statements with any number of arguments.
[<AbstractClass; Sealed; AutoOpen>]
type Statements =
    /// `input "28x28x1"`, `input ("left", "28x28x1")`; `?` leaves a side open.
    static member input([<ParamArray>] arguments: obj[]) = Writing.useOf "input" arguments

    /// A block, a shared set or an own layer by its name: `layer ("cell", 64, "stride" => 2)`.
    static member layer(name: string, [<ParamArray>] arguments: obj[]) = Writing.useOf name arguments
